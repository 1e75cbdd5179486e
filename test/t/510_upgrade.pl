# Each released version, installed and updated, is what a fresh installation is; and
# the comparison would see a difference of any kind.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $src = $ENV{TWIN_PRIVACY_SRC};
my $node = TwinPrivacy::Cluster->new_node('upgrade', extension => 0);
my $facts = slurp_file("$src/test/upgrade/catalog.sql");

# The catalog of a database as a list of lines; maintenance opens the tables' rows.
sub catalog
{
	my ($database) = @_;
	return [ split /\n/, $node->safe_psql($database, "SET twin_privacy.maintenance = on;\n$facts") ];
}

# Lines that only one of two catalogs has.
sub differences
{
	my ($one, $other) = @_;
	my %count;
	$count{$_}++ for @$one;
	$count{$_}-- for @$other;
	return grep { $count{$_} != 0 } sort keys %count;
}

my ($default) = slurp_file("$src/twin_privacy.control") =~ /^default_version\s*=\s*'([^']+)'/m;
my @released = slurp_file("$src/CHANGELOG.md") =~ /^## (\S+)/mg;
is($released[0], $default, 'the newest entry of CHANGELOG.md is the version of the control file');

$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION twin_privacy CASCADE');
my $fresh = catalog('fresh');
cmp_ok(scalar @$fresh, '>', 500, 'there is a catalog to compare');

for my $version (reverse @released)
{
	(my $database = "from_$version") =~ s/\W/_/g;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my ($rc, $out, $err) = $node->psql($database,
		"CREATE EXTENSION twin_privacy VERSION '$version' CASCADE; ALTER EXTENSION twin_privacy UPDATE");
	is($rc, 0, "$version can be installed and updated to $default") or diag($err);
	is($node->safe_psql($database, q{SELECT extversion FROM pg_extension WHERE extname = 'twin_privacy'}),
		$default, "then it is $default");
	my @differences = differences($fresh, catalog($database));
	is(scalar @differences, 0, "and its catalog that of a fresh installation") or diag(join "\n", @differences[ 0 .. ($#differences > 20 ? 20 : $#differences) ]);
}

# An upgrade script that forgot any of these would be found.
my %forgotten = (
	'a comment' => q{COMMENT ON FUNCTION twin_privacy.status() IS 'other'},
	'a right taken' => q{GRANT EXECUTE ON FUNCTION twin_privacy.status() TO PUBLIC},
	'a right given' => q{REVOKE SELECT ON twin_privacy.protected_tables FROM PUBLIC},
	'a volatility' => q{ALTER FUNCTION twin_privacy.status() STABLE},
	'a search_path' => q{ALTER FUNCTION twin_privacy.status() RESET search_path},
	'a new function' => q{ALTER EXTENSION twin_privacy DROP FUNCTION twin_privacy.simulate_use(text)},
	'a column' => q{ALTER TABLE twin_privacy_internal.terms ADD COLUMN more text},
	'a default' => q{ALTER TABLE twin_privacy_internal.pseudonym_domain ALTER max_shift_days SET DEFAULT 1},
	'a constraint' => q{ALTER TABLE twin_privacy_internal.approved_use DROP CONSTRAINT approved_use_valid_check},
	'an index' => q{DROP INDEX twin_privacy_internal.directive_subject_idx},
	'a trigger' => q{DROP TRIGGER keep ON twin_privacy_internal.directive},
	'an always trigger' => q{ALTER TABLE twin_privacy_internal.directive ENABLE TRIGGER keep},
	'a view' => q{ALTER VIEW twin_privacy.my_uses RENAME COLUMN problem TO trouble},
	'a seeded row' => q{UPDATE twin_privacy_internal.category SET display = 'other' WHERE code = 'genomics'},
	'a dumped table' => q{UPDATE pg_extension SET extconfig = extconfig[2:], extcondition = extcondition[2:] WHERE extname = 'twin_privacy'},
	'rights on a schema' => q{GRANT USAGE ON SCHEMA twin_privacy_internal TO PUBLIC});
$node->safe_psql('postgres', 'CREATE DATABASE altered TEMPLATE fresh');
for my $what (sort keys %forgotten)
{
	my $out = $node->safe_psql('altered', "SET twin_privacy.maintenance = on; SET allow_system_table_mods = on; BEGIN; $forgotten{$what};\n$facts\n; ROLLBACK");
	cmp_ok(scalar differences($fresh, [ split /\n/, $out ]), '>', 0, "the comparison finds $what forgotten");
}
is(scalar differences($fresh, catalog('altered')), 0, 'and nothing where nothing was');

$node->stop;
done_testing();
