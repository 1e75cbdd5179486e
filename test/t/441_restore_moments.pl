# A restore protects each table before its first row arrives: at no moment, and in
# no order of pg_restore, do the owner and readers see a raw row.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('moments');
my $file = $node->basedir . '/moments';

$node->safe_psql('postgres', q{
	CREATE ROLE moments_one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE moments_two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE moments_owner LOGIN;
	CREATE ROLE moments_reader LOGIN;
	CREATE ROLE moments_gone LOGIN;
	GRANT CREATE ON SCHEMA public TO moments_owner;
	CREATE TABLE a_result (id int, visit int, secret text);
	CREATE TABLE b_visit (id int PRIMARY KEY, patient_id bigint);
	CREATE TABLE c_stream (patient_id bigint, day int, secret text) PARTITION BY LIST (day);
	CREATE TABLE c_stream_1 PARTITION OF c_stream FOR VALUES IN (1);
	CREATE TABLE d_policy (patient_id bigint, secret text);
	INSERT INTO b_visit SELECT i, i FROM generate_series(1, 5) i;
	INSERT INTO a_result SELECT i, i, 'secret ' || i FROM generate_series(1, 5) i;
	INSERT INTO c_stream SELECT i, 1, 'secret ' || i FROM generate_series(1, 5) i;
	INSERT INTO d_policy SELECT i, 'secret ' || i FROM generate_series(1, 5) i;
	ALTER TABLE d_policy ENABLE ROW LEVEL SECURITY;
	CREATE POLICY few ON d_policy USING (patient_id < 3);
	ALTER TABLE a_result OWNER TO moments_owner;
	ALTER TABLE b_visit OWNER TO moments_owner;
	ALTER TABLE c_stream OWNER TO moments_owner;
	ALTER TABLE c_stream_1 OWNER TO moments_owner;
	ALTER TABLE d_policy OWNER TO moments_owner;
	GRANT SELECT ON a_result, b_visit, c_stream, c_stream_1, d_policy TO moments_reader;
	SELECT twin_privacy.protect_table('a_result', 'visit -> public.b_visit(id).patient_id', 'clinical'),
		twin_privacy.protect_table('b_visit', 'patient_id', 'clinical'), twin_privacy.protect_table('c_stream', 'patient_id', 'clinical'),
		twin_privacy.protect_table('d_policy', 'patient_id', 'clinical');
	SELECT twin_privacy.record_consent(i::text, 'permit', 'TREAT', valid => '(,)') FROM generate_series(2, 4) i;
	SET SESSION AUTHORIZATION moments_one;
	SELECT twin_privacy.propose_use('MOMENTS', 'TREAT', 'us', '{clinical}', 'identified', valid => '(,)', statement => 'I promise.');
	SET SESSION AUTHORIZATION moments_two;
	SELECT twin_privacy.approve_use('MOMENTS'), twin_privacy.grant_use('MOMENTS', 'moments_reader'), twin_privacy.grant_use('MOMENTS', 'moments_gone');
	SET SESSION AUTHORIZATION moments_reader;
	SELECT twin_privacy.acknowledge_use('MOMENTS');
	RESET SESSION AUTHORIZATION;
	DROP ROLE moments_gone;
});

my @tables = qw(a_result b_visit c_stream c_stream_1 d_policy);

# What a role sees of each table: the number of rows, or a dash for an error.
sub seen
{
	my ($database, $role, $use) = @_;
	return join ' ', map {
		my ($rc, $out) = $node->psql($database, "SET twin_privacy.use = '$use'; SELECT count(*) FROM $_", extra_params => [ '-U', $role ]);
		$rc == 0 ? $out : '-';
	} @tables;
}

# Nobody sees anything yet, and the tables that are there have their row security on.
sub closed_ok
{
	my ($database, $when) = @_;
	for my $role (qw(moments_owner moments_reader postgres))
	{
		unlike(seen($database, $role, 'MOMENTS'), qr/[1-9]/, "$when: nothing for $role");
	}
	return;
}

my $whole = '3 3 3 3 1';
is(seen('postgres', 'moments_reader', 'MOMENTS'), $whole, 'what a reader sees');
is(seen('postgres', 'moments_owner', 'MOMENTS'), '- - - - -', 'what the owner sees');
$ENV{PGOPTIONS} = '-c twin_privacy.maintenance=on';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $file, $node->connstr('postgres') ], 'dump');
my ($count) = $node->safe_psql('postgres', 'SELECT count(*) FROM a_result');
is($count, 5, 'a dump holds raw rows');

# Section by section.
delete $ENV{PGOPTIONS};
$node->safe_psql('postgres', 'CREATE DATABASE staged');
for my $section (qw(pre-data data post-data))
{
	local $ENV{PGOPTIONS} = '-c twin_privacy.maintenance=on';
	$node->command_ok([ 'pg_restore', '--exit-on-error', "--section=$section", '-d', $node->connstr('staged'), $file ], "restore $section");
	delete $ENV{PGOPTIONS};
	if ($section eq 'pre-data')
	{
		closed_ok('staged', "after $section");
		is($node->safe_psql('staged', 'SELECT count(*) FROM twin_privacy.protected_tables WHERE problem IS NULL AND target::text <> \'a_result\''),
			4, 'all tables are protected before any row');
		is($node->safe_psql('staged', "SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND relname ~ '^[a-d]_' AND relkind IN ('r', 'p')"),
			5, 'with row security on');
	}
	is(seen('staged', 'moments_owner', 'MOMENTS'), '- - - - -', "$section: the owner sees nothing");
}
is(seen('staged', 'moments_reader', 'MOMENTS'), $whole, 'in the end a reader sees what was seen before');
is($node->safe_psql('staged', "SELECT granted_to FROM twin_privacy.approved_uses"), '{moments_reader}', 'and a role that is gone is granted nothing');
is($node->safe_psql('staged', 'SELECT count(*) FROM twin_privacy_internal.use_grant'), '1', 'not even by number');

# The data of the tables first by themselves, then that of the extension: still closed.
$node->safe_psql('postgres', 'CREATE DATABASE rows_first');
{
	local $ENV{PGOPTIONS} = '-c twin_privacy.maintenance=on';
	$node->command_ok([ 'pg_restore', '--exit-on-error', '--section=pre-data', '-d', $node->connstr('rows_first'), $file ], 'restore pre-data');
	$node->command_ok([ 'pg_restore', '--exit-on-error', '--data-only', (map { ('-t', $_) } @tables), '-d', $node->connstr('rows_first'), $file ], 'restore rows');
}
closed_ok('rows_first', 'rows, and no use yet');

# In parallel, and as SQL through psql.
$node->safe_psql('postgres', 'CREATE DATABASE jobs; ');
$node->safe_psql('postgres', 'CREATE DATABASE plain');
{
	local $ENV{PGOPTIONS} = '-c twin_privacy.maintenance=on';
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-j', '3', '-d', $node->connstr('jobs'), $file ], 'restore in parallel');
	$node->command_ok([ 'pg_restore', '-f', "$file.sql", $file ], 'dump as SQL');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$file.sql", $node->connstr('plain') ], 'restore by psql');
}
for my $database (qw(jobs plain))
{
	is(seen($database, 'moments_reader', 'MOMENTS'), $whole, "$database: a reader sees what was seen before");
	is(seen($database, 'moments_owner', 'MOMENTS'), '- - - - -', "$database: the owner sees nothing");
}
$node->stop;
done_testing();
