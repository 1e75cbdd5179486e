# Class 6: what is broken stays closed.  Each case is an attack of its own: the
# same statement must show the canary where nothing is protected.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Attack;
use TwinPrivacy::Cluster;

my $dir = "$ENV{TWIN_PRIVACY_SRC}/test/attack";
my $canary = $TwinPrivacy::Attack::never;
my $node = TwinPrivacy::Cluster->new_node('closed');

TwinPrivacy::Attack::set_up($node, $dir);

# What a role gets to read, however it tries.
my $read = q{
	SELECT * FROM clinic.patient;
	SELECT p FROM clinic.patient p WHERE id > 0;
	COPY clinic.patient TO STDOUT;
	UPDATE clinic.patient SET sex = sex RETURNING *;
	DELETE FROM clinic.diary RETURNING *;
	SELECT * FROM clinic.visit_1;
	SELECT * FROM clinic.derived;
	SELECT * FROM clinic.result};

# Tests that nobody of the roles gets a canary out of a database.
sub closed_ok
{
	my ($what, $database, @who) = @_;

	foreach my $who (@who)
	{
		my $unit = { name => $what, before => '', after => '', body => $read };
		my @lines = TwinPrivacy::Attack::canary_lines(
			TwinPrivacy::Attack::try_unit($node, $database, $unit, $who), $canary);

		is($lines[0], undef, "$what: nothing for $who");
	}
}

# Runs SQL as the superuser in maintenance.
sub maintain
{
	my ($sql) = @_;

	return $node->safe_psql('closed', "SET twin_privacy.maintenance = on;\n$sql");
}

my @bound = qw(doc:CARE owner:CARE bypass:CARE super:CARE);
my @unbound = qw(doc:none owner:none reader:none bypass:none super:none nobody:none);

closed_ok('nothing broken', 'closed', @bound, @unbound);
foreach my $who (@bound, @unbound)
{
	my $unit = { name => 'open', before => '', after => '', body => $read };
	my $out = TwinPrivacy::Attack::try_unit($node, 'open', $unit, $who);

	ok(TwinPrivacy::Attack::canary_lines($out, $canary), "the open twin shows canaries to $who")
	  unless $who =~ /nobody/ && $out !~ /$canary/;
}

# A label that does not parse or does not resolve closes its table.
maintain(q{UPDATE pg_seclabel SET label = 'nonsense' WHERE objoid = 'clinic.patient'::regclass AND objsubid = 0});
$node->restart;
closed_ok('a table label of nonsense', 'closed', @bound, @unbound);
maintain(q{UPDATE pg_seclabel SET label = 'subject=no_such_column, category=demographics' WHERE objoid = 'clinic.patient'::regclass AND objsubid = 0});
$node->restart;
closed_ok('a subject that is not there', 'closed', @bound, @unbound);
maintain(q{UPDATE pg_seclabel SET label = 'subject=id, category=no_such_category' WHERE objoid = 'clinic.patient'::regclass AND objsubid = 0});
$node->restart;
closed_ok('a category that is not there', 'closed', @bound, @unbound);
maintain(q{
	UPDATE pg_seclabel SET label = 'subject=id, category=demographics' WHERE objoid = 'clinic.patient'::regclass AND objsubid = 0;
	UPDATE pg_seclabel SET label = 'category=demographics, mask=none_such' WHERE objoid = 'clinic.patient'::regclass AND objsubid > 0});
$node->restart;
closed_ok('column labels of nonsense', 'closed', @bound, @unbound);

# An error inside the decision: our tables are not what they were.
foreach my $table (qw(directive approved_use use_grant category purpose))
{
	next unless maintain("SELECT to_regclass('twin_privacy_internal.$table') IS NOT NULL") eq 't';
	maintain("ALTER TABLE twin_privacy_internal.$table RENAME TO hidden_$table");
	$node->restart;
	closed_ok("without our table $table", 'closed', @bound, @unbound);
	maintain("ALTER TABLE twin_privacy_internal.hidden_$table RENAME TO $table");
}

# No master key: masks that need one are errors, and nothing else opens.
$node->append_conf('postgresql.conf', "twin_privacy.master_key_file = '/no/such/file'");
$node->restart;
closed_ok('without the master key', 'closed', @bound, @unbound, qw(analyst:RES owner:RES));

# Without the library: row security stays on, and denies.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
closed_ok('without the library', 'closed', grep { !/bypass|super/ } @bound, @unbound);

# A library that comes back finds everything as it was.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'twin_privacy'");
$node->restart;
$node->safe_psql('closed', 'DROP EXTENSION twin_privacy CASCADE');
closed_ok('without the extension', 'closed', @bound, @unbound);
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
closed_ok('without the extension and the library', 'closed', grep { !/bypass|super/ } @bound, @unbound);

$node->stop;
done_testing();
