# A rotation in the middle of a statement does not mix two key versions: not between the
# parts of a plan, its parallel workers, the rows of a cursor or the calls of a function;
# the next statement has the new one, prepared or not.
#
# Statements are held in the middle by an advisory lock (their uses may export): what comes after it in the plan
# runs, and starts its workers, after the rotation.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('rotation', conf => "max_parallel_workers = 8\nmax_worker_processes = 16");
$node->safe_psql('postgres', q{
	CREATE ROLE one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE three LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE analyst LOGIN;
	CREATE ROLE clerk LOGIN IN ROLE twin_privacy_admin;
	CREATE TABLE person (id int PRIMARY KEY, mrn text, born date);
	INSERT INTO person SELECT i, 'mrn-' || i, date '1950-01-01' + i FROM generate_series(1, 5000) i;
	CREATE TABLE visit (person_id bigint, mrn text);
	INSERT INTO visit SELECT id, mrn FROM person;
	ANALYZE;
	SELECT twin_privacy.protect_table('person', subject => 'id', category => 'demographics'), twin_privacy.protect_table('visit', subject => 'person_id', category => 'demographics');
	SELECT twin_privacy.label_column('person', 'mrn', 'kind=identifier, mask=pseudonym'), twin_privacy.label_column('visit', 'mrn', 'kind=identifier, mask=pseudonym'),
		twin_privacy.label_column('person', 'born', 'kind=quasi, mask=date_shift');
	GRANT SELECT ON person, visit TO analyst;
	SET SESSION AUTHORIZATION one;
	SELECT twin_privacy.propose_use(c, purpose => 'HRESCH', recipient => 'registry', categories => '{demographics}', disclosure => 'pseudonymised', basis => 'legal_obligation',
		export => true)
		FROM unnest('{STUDY,OTHER}'::text[]) c;
	SET SESSION AUTHORIZATION two;
	SELECT twin_privacy.approve_use(c), twin_privacy.grant_use(c, 'analyst') FROM unnest('{STUDY,OTHER}'::text[]) c;
	SET SESSION AUTHORIZATION one;
	SELECT twin_privacy.propose_linkage('LINK', 'STUDY', 'OTHER', 'follow-up');
	SET SESSION AUTHORIZATION two;
	SELECT twin_privacy.approve_linkage('LINK');
	SET SESSION AUTHORIZATION three;
	SELECT twin_privacy.approve_linkage('LINK')});

my $gate = $node->background_psql('postgres');
my $reader = $node->background_psql('postgres', extra_params => [ '-U', 'analyst' ], on_error_stop => 0);
my $clerk = $node->background_psql('postgres', extra_params => [ '-U', 'clerk' ], on_error_stop => 0);
$reader->query_safe(q{SELECT twin_privacy.bind_use('STUDY', 'test')});

# Key version of a masked text.
my $version = q{('x' || encode(substr(twin_privacy.pseudonym_send(mrn::twin_privacy.pseudonym), 21, 2), 'hex'))::bit(16)::int};

# Runs a statement that stops at the lock, rotates, lets it go on; its rows.
sub across_rotation
{
	my ($session, $domain, $sql) = @_;
	$gate->query_safe('SELECT pg_advisory_lock(1)');
	$session->query_until(qr/begun/, "\\echo begun\n$sql;\n\\echo ended\n");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die;
	$node->safe_psql('postgres', "SELECT twin_privacy.rotate_pseudonym_key('$domain')");
	$gate->query_safe('SELECT pg_advisory_unlock(1)');
	my $out = $session->query_until(qr/ended/, "\n");
	$out =~ s/\s*ended\s*$//;
	$out =~ s/^\s+//;
	$session->query_safe('SELECT pg_advisory_unlock_all()');
	return $out;
}

$reader->query_safe('SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
	SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off');
my $parts = qq{
	WITH early AS MATERIALIZED (SELECT mrn, person_id FROM visit), gate AS MATERIALIZED (SELECT pg_advisory_lock(1))
	SELECT 'early', $version AS version, count(*) FROM early GROUP BY 2
	UNION ALL SELECT 'gate', 0, count(*) FROM gate
	UNION ALL SELECT 'late', 10 * min($version) + max($version), count(*) FROM person};
like($reader->query_safe("EXPLAIN (COSTS OFF) $parts"), qr/on gate.*Gather.*Partial Aggregate.*on person/s, 'the late part is for workers');
is(across_rotation($reader, 'STUDY', $parts), "early|1|5000\ngate|0|1\nlate|11|5000", 'workers that start after a rotation use the version the statement began with');
is($reader->query_safe("SELECT $version, count(*) FROM person GROUP BY 1"), '2|5000', 'the next statement has the new one');

my $join = q{
	WITH early AS MATERIALIZED (SELECT mrn, person_id FROM visit), held AS MATERIALIZED (SELECT count(*) AS n, (SELECT pg_advisory_lock(1)) FROM early)
	SELECT (SELECT n FROM held), count(*), count(p.id), count(q.mrn)
	  FROM early LEFT JOIN person p ON p.id = early.person_id AND (SELECT n FROM held) > 0
	  LEFT JOIN person q ON q.mrn = early.mrn};
is(across_rotation($reader, 'STUDY', $join), '5000|5000|5000|5000', 'keys masked before and after a rotation still join');

# a cursor
$reader->query_safe("BEGIN; DECLARE c CURSOR FOR SELECT $version, born FROM person");
is($reader->query_safe('FETCH 2 FROM c') =~ s/\|.*//gr, "3\n3", 'a cursor begins with the newest');
$node->safe_psql('postgres', q{SELECT twin_privacy.rotate_pseudonym_key('STUDY')});
is($reader->query_safe('FETCH 2 FROM c') =~ s/\|.*//gr, "3\n3", 'and goes on with it after a rotation');
is($reader->query_safe("SELECT $version FROM person LIMIT 1"), '4', 'while a new statement of the same transaction has the new one');
is($reader->query_safe('FETCH 1 FROM c') =~ s/\|.*//gr, '3', 'and the cursor still its own');
$node->safe_psql('postgres', q{SELECT twin_privacy.destroy_pseudonym_key('STUDY', 3, 'test')});
like($reader->query("FETCH 1 FROM c") . $reader->{stderr}, qr/key version 3 of pseudonym domain "STUDY" does not exist or was destroyed/, 'a destroyed key ends it');
$reader->{stderr} = '';
$reader->query('ROLLBACK');

# prepared statements, whose plans are kept
$reader->query_safe("SET plan_cache_mode = force_generic_plan; PREPARE p AS SELECT $version FROM person LIMIT 1");
is($reader->query_safe('EXECUTE p'), '4', 'a prepared statement');
$node->safe_psql('postgres', q{SELECT twin_privacy.rotate_pseudonym_key('STUDY')});
is($reader->query_safe('EXECUTE p'), '5', 'is planned anew after a rotation');
# and a linkage is another domain
$reader->query_safe('SET plan_cache_mode = force_generic_plan; PREPARE l AS SELECT min(mrn) FROM person');
my $own = $reader->query_safe('EXECUTE l');
$reader->query_safe(q{SET twin_privacy.linkage = 'LINK'});
isnt($reader->query_safe('EXECUTE l'), $own, 'as after a linkage is chosen');
$reader->query_safe('RESET twin_privacy.linkage');
is($reader->query_safe('EXECUTE l'), $own, 'or left');
$reader->query_safe('BEGIN; DECLARE c CURSOR FOR SELECT mrn FROM person; FETCH 1 FROM c');
$reader->query_safe(q{SET twin_privacy.linkage = 'LINK'});
like($reader->query('FETCH 1 FROM c') . $reader->{stderr}, qr/twin_privacy.linkage changed while the statement was running/, 'a cursor does not change worlds');
$reader->{stderr} = '';
$reader->query('ROLLBACK');

# functions: FF1 has no version in its values
my $calls = q{
	WITH early AS MATERIALIZED (SELECT i, twin_privacy.pseudonymize('OWN', i) AS p, twin_privacy.shift_date('OWN', i, date '2020-01-01') AS d FROM generate_series(1, 1000) i),
	     held AS MATERIALIZED (SELECT count(*) AS n, (SELECT pg_advisory_lock(1)) FROM early)
	SELECT count(*) FILTER (WHERE p = twin_privacy.pseudonymize('OWN', i)), count(*) FILTER (WHERE d = twin_privacy.shift_date('OWN', i, date '2020-01-01'))
	  FROM early WHERE (SELECT n FROM held) > 0};
$node->safe_psql('postgres', q{SELECT twin_privacy.create_pseudonym_domain('OWN')});
is(across_rotation($clerk, 'OWN', $calls), '1000|1000', 'functions of one query keep the version it began with');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT version) FROM twin_privacy.pseudonym_keys WHERE domain = 'OWN'}), '2', 'though it was rotated meanwhile');

$_->quit for $gate, $reader, $clerk;
$node->stop;
done_testing();
