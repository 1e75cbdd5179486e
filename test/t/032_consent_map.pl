# The shared consent map against the index and against decide(): exact for every
# kind of key, in time, in parallel workers, without memory, and on a standby.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('map', init => [ allows_streaming => 1 ]);
my $use = "SELECT twin_privacy.bind_use('MAP') IS NOT NULL AS bound \\gset\n";
my $map = "SET twin_privacy.consent_map_threshold = 0;\n$use";
my $index = "SET twin_privacy.consent_map_threshold = 1000000000;\n$use";

$node->safe_psql(
	'postgres', q{
	CREATE ROLE officer1 IN ROLE twin_privacy_officer;
	CREATE ROLE officer2 IN ROLE twin_privacy_officer;
	-- Keys of every kind, some of them texts that look like other keys.
	CREATE TABLE person (nr int PRIMARY KEY, as_int bigint, as_uuid uuid, as_text text);
	INSERT INTO person SELECT nr,
		CASE nr % 3 WHEN 0 THEN nr WHEN 1 THEN -nr ELSE nr * 1000000007::bigint END,
		md5(nr::text)::uuid,
		CASE nr % 5 WHEN 0 THEN 'p' || nr WHEN 1 THEN 'a patient with a long key ' || nr
			WHEN 2 THEN '0' || nr WHEN 3 THEN rpad('k' || nr, 15, 'x') ELSE rpad('k' || nr, 16, 'y') END
		FROM generate_series(1, 1500) nr;
	CREATE TABLE by_int AS SELECT as_int AS patient, nr AS v FROM person;
	CREATE TABLE by_uuid AS SELECT as_uuid AS patient, nr AS v FROM person;
	-- Whoever is in a table with text keys is found there by any text.
	CREATE TABLE by_text AS SELECT as_text AS patient, nr AS v FROM person
		UNION ALL SELECT as_int::text, nr FROM person UNION ALL SELECT as_uuid::text, nr FROM person;
	SELECT twin_privacy.protect_table(t, subject => 'patient', category => 'laboratory'),
		twin_privacy.label_column(t, 'v', 'kind=plain')
		FROM unnest('{by_int,by_uuid,by_text}'::regclass[]) t;
	SET SESSION AUTHORIZATION officer1;
	SELECT twin_privacy.propose_use('MAP', purpose => 'CLINTRCH', recipient => 'uh',
		categories => '{laboratory}', disclosure => 'identified', valid => '(,)');
	SET SESSION AUTHORIZATION officer2;
	SELECT twin_privacy.approve_use('MAP');
	SELECT twin_privacy.grant_use('MAP', 'postgres')});

# Directives of all sorts: a permit for most, denials, other purposes and
# recipients, beginnings and ends around now, and every seventh withdrawn.
$node->safe_psql(
	'postgres', q{
	CREATE TEMP TABLE directives AS
	SELECT nr, s, decision, purpose, categories, recipients, valid FROM person,
		LATERAL (VALUES (as_int::text), (as_uuid::text), (as_text)) k(s),
		LATERAL (VALUES
			('permit', (ARRAY['HRESCH', 'CLINTRCH', 'TREAT'])[1 + nr % 3], CASE WHEN nr % 4 > 0 THEN '{laboratory}'::text[] END,
			 CASE WHEN nr % 5 = 0 THEN '{uh,other}'::text[] END,
			 (ARRAY['(,)', '[2020-01-01,2021-01-01)', '[2020-01-01,)'])[1 + nr % 7 % 3]::tstzrange),
			('permit', 'PurposeOfUse', '{clinical}', '{elsewhere}', '(,)'),
			(CASE WHEN nr % 6 = 0 THEN 'deny' ELSE 'permit' END, 'HRESCH', '{genomics,clinical}', NULL,
			 CASE WHEN nr % 11 = 0 THEN tstzrange(now() + interval '1 hour', NULL)
			      WHEN nr % 11 = 1 THEN tstzrange(NULL, now() + nr * interval '1 hour') ELSE tstzrange(NULL, NULL) END))
			d(decision, purpose, categories, recipients, valid)
		WHERE nr % 9 > 0;
	} . join '',
	map {
		my $from = $_ * 25;

		"SELECT count(twin_privacy.record_consent(s, decision, purpose, categories, recipients, valid))"
		  . " FROM directives WHERE nr BETWEEN $from AND $from + 24;\n"
	  } 0 .. 60);
$node->safe_psql('postgres',
	"SELECT count(twin_privacy.withdraw_consent(consent_id, 'test')) FROM twin_privacy.consents"
	  . " WHERE consent_id % 7 = 0 AND consent_id BETWEEN " . ($_ * 3000) . " AND " . ($_ * 3000 + 2999))
  foreach 0 .. 5;

my %tables = (by_int => 'as_int::text', by_uuid => 'as_uuid::text', by_text => 'k');

# Who is visible in a table, as a digest and a number.
sub visible
{
	my ($prefix, $table, $where) = @_;

	return $node->safe_psql('postgres',
		"$prefix SELECT count(*) || ' ' || coalesce(md5(string_agg(patient::text, ' ' ORDER BY patient::text)), '')"
		  . " FROM $table " . ($where // ''));
}

# The same by asking decide() about each.
sub decided
{
	my $table = shift;

	return $node->safe_psql(
		'postgres', qq{
		SET twin_privacy.maintenance = on;
		SELECT count(*) || ' ' || coalesce(md5(string_agg(patient::text, ' ' ORDER BY patient::text)), '')
		  FROM $table WHERE twin_privacy.decide(patient::text, 'CLINTRCH', 'laboratory', 'uh') = 'permit'});
}

sub compare
{
	my $when = shift;

	foreach my $table (sort keys %tables)
	{
		my $truth = decided($table);

		is(visible($map, $table), $truth, "$table $when: by the map");
		is(visible($index, $table), $truth, "$table $when: by the index");
	}
}

compare('at first');
my ($people) = split / /, decided('by_int');
cmp_ok($people, '>', 100, 'somebody is visible');
cmp_ok($people, '<', 1400, 'somebody is not');
is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy_internal.consent_map()'), '1', 'there is a map');
my $version = $node->safe_psql('postgres', 'SELECT version FROM twin_privacy_internal.consent_map()');

# Changes reach the map without building it anew; new people, too.
$node->safe_psql('postgres', q{
	SELECT count(twin_privacy.withdraw_all_consent(as_int::text, 'test')) FROM person WHERE nr BETWEEN 10 AND 60;
	SELECT count(twin_privacy.withdraw_all_consent(as_text, 'test')) FROM person WHERE nr BETWEEN 20 AND 80;
	SELECT count(twin_privacy.record_consent(s, 'permit', 'CLINTRCH', '{laboratory}', '{uh}', '(,)'))
	  FROM person, LATERAL (VALUES (as_int::text), (as_uuid::text), (as_text)) k(s) WHERE nr % 9 = 0});
compare('after changes');
is($node->safe_psql('postgres', 'SELECT version FROM twin_privacy_internal.consent_map()'),
	$version, 'the map was caught up, not built anew');

# Parallel workers.
my $parallel = "SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
  . " SET min_parallel_table_scan_size = 0; SET enable_indexscan = off;\n";
like($node->safe_psql('postgres', "$map $parallel EXPLAIN SELECT count(*) FROM by_text"),
	qr/Parallel Custom Scan \(ConsentScan\)/, 'the scan runs in workers');
foreach my $table (sort keys %tables)
{
	is(visible("$map $parallel", $table), decided($table), "$table in parallel workers");
	is(visible("$index $parallel", $table), decided($table), "$table in parallel workers without a map");
}

# Own changes are seen by their own transaction alone, and not after a rollback.
my $own = "SELECT count(*) FROM by_uuid WHERE patient = (SELECT as_uuid FROM person WHERE nr = 100);\n";
my $given = "SELECT twin_privacy.record_consent(as_uuid::text, 'permit', 'CLINTRCH', '{laboratory,imaging}', valid => '(,)') IS NOT NULL"
  . " FROM person WHERE nr = 100;\n";
my $taken = "SELECT twin_privacy.withdraw_all_consent(as_uuid::text, 'test') > 0 FROM person WHERE nr = 100;\n";
$node->safe_psql('postgres', $given);
is($node->safe_psql('postgres',
		"$map $own BEGIN;\n$taken $own SAVEPOINT s;\n$given $own ROLLBACK TO s;\n$own ROLLBACK;\n$own"),
	"1\nt\n0\nt\n1\n0\n1", 'a transaction sees its own changes, and loses them with a rollback');
is($node->safe_psql('postgres', "$map $own"), '1', 'nobody else was told of them');

# Validity ends and begins on time, without a write.
$node->safe_psql('postgres', q{
	SELECT twin_privacy.withdraw_all_consent(as_int::text, 'test') FROM person WHERE nr IN (201, 202);
	SELECT twin_privacy.record_consent(as_int::text, 'permit', 'CLINTRCH', '{laboratory,imaging}', NULL,
		CASE nr WHEN 201 THEN tstzrange(NULL, clock_timestamp() + interval '3 s')
		        ELSE tstzrange(clock_timestamp() + interval '3 s', NULL) END) FROM person WHERE nr IN (201, 202)});
my $who = "SELECT string_agg(v::text, ' ') FROM by_int WHERE v IN (201, 202);\n";
is($node->safe_psql('postgres', "$map $who SELECT pg_sleep(3.5)::text;\n$who"),
	"201\n\n202", 'by the map, validity ends and begins on time');
is($node->safe_psql('postgres', "$index $who"), '202', 'by the index, too');

# Where few permit, most people are turned away before the map is asked: by the
# second reading of a session, and anew after a change.
$node->safe_psql('postgres', q{
	CREATE TABLE often_uuid AS SELECT as_uuid AS patient, nr AS v FROM person, generate_series(1, 60);
	CREATE TABLE often_int AS SELECT as_int AS patient, nr AS v FROM person, generate_series(1, 60);
	SELECT twin_privacy.protect_table(t, subject => 'patient', category => 'laboratory'),
		twin_privacy.label_column(t, 'v', 'kind=plain') FROM unnest('{often_int,often_uuid}'::regclass[]) t;
	SET SESSION AUTHORIZATION officer1;
	SELECT twin_privacy.propose_use('FEW', purpose => 'PUBHLTH', recipient => 'uh',
		categories => '{laboratory}', disclosure => 'identified', valid => '(,)');
	SET SESSION AUTHORIZATION officer2;
	SELECT twin_privacy.approve_use('FEW'), twin_privacy.grant_use('FEW', 'postgres');
	RESET SESSION AUTHORIZATION;
	SELECT count(twin_privacy.record_consent(s, 'permit', 'PUBHLTH', '{laboratory}', '{uh}', '(,)'))
	  FROM person, LATERAL (VALUES (as_int::text), (as_uuid::text)) k(s) WHERE nr IN (3, 700, 1499)});
my $few = "SELECT string_agg(DISTINCT v::text, ' ' ORDER BY v::text) || ' ' || count(*) FROM often_uuid"
  . " UNION ALL SELECT string_agg(DISTINCT v::text, ' ' ORDER BY v::text) || ' ' || count(*) FROM often_int;\n";
my $change = q{
	DO $$ BEGIN
		PERFORM twin_privacy.withdraw_all_consent(s, 'test')
		   FROM person, LATERAL (VALUES (as_int::text), (as_uuid::text)) k(s) WHERE nr = 700;
		PERFORM twin_privacy.record_consent(s, 'permit', 'PUBHLTH', '{laboratory}', '{uh}', '(,)')
		   FROM person, LATERAL (VALUES (as_int::text), (as_uuid::text)) k(s) WHERE nr IN (4, 801);
	END $$};
PostgreSQL::Test::Utils::append_to_file($node->basedir . '/change.sql', $change);
is($node->safe_psql('postgres',
		"SET twin_privacy.consent_map_threshold = 0;\nSELECT twin_privacy.bind_use('FEW') IS NOT NULL AS bound \\gset\n"
		  . "$few $few \\! " . $node->installed_command('psql') . ' -X -q -d "' . $node->connstr('postgres')
		  . '" -f ' . $node->basedir . "/change.sql\n$few $few"),
	join("\n", ("1499 3 700 180") x 4, ("1499 3 4 801 240") x 4), 'few of many, again, and after a change');
# So are some where half permit.
$node->safe_psql('postgres', q{
	SELECT count(twin_privacy.record_consent(s, 'permit', 'PUBHLTH', '{laboratory}', '{uh}', '(,)'))
	  FROM person, LATERAL (VALUES (as_int::text), (as_uuid::text)) k(s) WHERE nr % 2 = 0 AND nr <> 4});
my $half = "SELECT count(DISTINCT v) || ' ' || count(*) || ' ' || sum(v) FROM often_uuid WHERE v % 2 = 0;\n";
(my $few_use = $map) =~ s/'MAP'/'FEW'/;
is($node->safe_psql('postgres', "$few_use $half $half $half"),
	join("\n", ('750 45000 ' . 60 * 2 * (750 * 751 / 2)) x 3), 'half of many, again and again');

# A standby has a map of its own and follows.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $before = decided('by_uuid');
my $primary = $node->connstr('postgres');
my $psql = $node->installed_command('psql');
my $read = "SELECT count(*) || ' ' || md5(string_agg(patient::text, ' ' ORDER BY patient::text)) FROM by_uuid;\n";
my $out = $standby->safe_psql(
	'postgres', qq{
	$map SET plan_cache_mode = force_generic_plan;
	PREPARE q AS $read EXECUTE q;
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	EXECUTE q;
	\\! $psql -X -q -d "$primary" -c "DO 'BEGIN PERFORM twin_privacy.withdraw_all_consent(as_uuid::text, ''test'') FROM person WHERE nr BETWEEN 300 AND 400; END'"
	\\set lsn `$psql -X -A -t -d "$primary" -c "SELECT pg_current_wal_lsn()"`
	SELECT set_config('test.lsn', :'lsn', false) AS lsn \\gset
	DO \$\$ BEGIN WHILE pg_last_wal_replay_lsn() < current_setting('test.lsn')::pg_lsn LOOP
		PERFORM pg_sleep(0.05); END LOOP; END \$\$;
	EXECUTE q;
	COMMIT;
	EXECUTE q;
	SELECT count(*) FROM twin_privacy_internal.consent_map();
	});
my $after = decided('by_uuid');
isnt($after, $before, 'somebody withdrew');
is($out, "$before\n$before\n$after\n$after\n1", 'on a standby, also in an old transaction, once replayed');

# More maps than there are places for: the one longest unused goes.
$node->safe_psql('postgres', 'CREATE DATABASE many');
$node->safe_psql('many',
	"SET client_min_messages = error;\n"
	  . ("DROP EXTENSION IF EXISTS twin_privacy; CREATE EXTENSION twin_privacy CASCADE;"
		  . " SELECT twin_privacy_internal.consent_map_build() >= 0;\n") x 34);
is(visible($map, 'by_int'), decided('by_int'), 'a map that had to go is built again');

# Without memory the index answers.
$node->append_conf('postgresql.conf', 'twin_privacy.consent_map_memory = 0');
$node->reload;
is(visible($map, 'by_text'), decided('by_text'), 'without memory for a map');

$standby->stop;
$node->stop;
done_testing();
