# Parallel workers disclose what the leader alone does, no more and no less, and
# the ledger names the same data subjects.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('parallel', conf => "max_parallel_workers = 8\nmax_worker_processes = 16");
my $forced = $node->safe_psql('postgres', 'SHOW server_version_num') >= 160000 ? 'debug_parallel_query' : 'force_parallel_mode';
my $serial = 'SET max_parallel_workers_per_gather = 0;';
my $parallel = 'SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;'
  . ' SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0; SET parallel_leader_participation = off;';

$node->safe_psql('postgres', q{
	CREATE ROLE pl_one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE pl_two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE pl_team;
	CREATE ROLE pl_reader LOGIN;
	CREATE TABLE visit (nr int PRIMARY KEY, patient_id bigint);
	INSERT INTO visit SELECT n, n % 300 FROM generate_series(1, 3000) n;
	CREATE TABLE lab (id int PRIMARY KEY, patient_id bigint, name text, born date, value int, gene text, labels text[]);
	INSERT INTO lab SELECT n, n % 300, 'name ' || n % 300, date '1950-01-01' + n % 300 * 50, n, 'ACGT' || n,
		CASE n % 7 WHEN 0 THEN '{PSY}'::text[] WHEN 1 THEN '{N}' END FROM generate_series(1, 20000) n;
	CREATE TABLE result (id int PRIMARY KEY, visit_nr int, value int);
	INSERT INTO result SELECT n, n % 3000 + 1, n FROM generate_series(1, 20000) n;
	CREATE TABLE stream (patient_id bigint, day int, v int) PARTITION BY LIST (day);
	CREATE TABLE stream_1 PARTITION OF stream FOR VALUES IN (1);
	CREATE TABLE stream_2 PARTITION OF stream FOR VALUES IN (2);
	INSERT INTO stream SELECT n % 300, 1 + n % 2, n FROM generate_series(1, 20000) n;
	CREATE INDEX ON lab (value);
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
	ANALYZE;
	SELECT twin_privacy.protect_table('visit', 'patient_id', 'clinical'), twin_privacy.protect_table('lab', 'patient_id', 'laboratory', label_column => 'labels'),
		twin_privacy.protect_table('result', 'visit_nr -> public.visit(nr).patient_id', 'laboratory'), twin_privacy.protect_table('stream', 'patient_id', 'laboratory');
	SELECT twin_privacy.label_column(t, c, l) FROM (VALUES ('lab'::regclass, 'id'::name, 'kind=plain'), ('lab', 'value', 'kind=quasi, mask=band:100'),
		('lab', 'name', 'category=identity, kind=identifier, mask=pseudonym'), ('lab', 'born', 'kind=quasi, mask=date_shift'),
		('lab', 'gene', 'category=genomics, kind=sensitive'), ('result', 'id', 'kind=plain'), ('result', 'value', 'kind=plain'), ('visit', 'nr', 'kind=plain'),
		('result', 'visit_nr', 'kind=plain'), ('stream', 'day', 'kind=plain'), ('stream', 'v', 'kind=plain')) AS x(t, c, l);
	SELECT twin_privacy.record_consent(p::text, 'permit', 'HRESCH', categories => CASE p % 3 WHEN 0 THEN '{clinical,identity}'::text[] END, valid => '(,)')
		FROM generate_series(1, 199) p;
	SET SESSION AUTHORIZATION pl_one;
	SELECT twin_privacy.propose_use(c, 'HRESCH', 'uni', '{clinical,identity,genomics,mental_health}', f, valid => '(,)')
		FROM (VALUES ('CLEAR', 'identified'), ('MASKED', 'pseudonymised')) AS x(c, f);
	SET SESSION AUTHORIZATION pl_two;
	SELECT twin_privacy.approve_use(c), twin_privacy.grant_use(c, 'pl_reader'), twin_privacy.grant_use(c, 'pl_team') FROM unnest('{CLEAR,MASKED}'::text[]) c;
});

# Runs SQL as the reader; its output, errors included.
sub run
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY terse\n$sql",
		extra_params => [ '-q', '-A', '-t', '-U', 'pl_reader' ]);
	$err =~ s/^psql:<stdin>:\d+: //mg;
	return $out . $err;
}

my %query = (
	'whole table' => 'SELECT * FROM lab ORDER BY id',
	'count' => 'SELECT count(*) FROM lab',
	'sums of masks' => 'SELECT count(name), count(DISTINCT name), sum(value), count(gene), min(born), count(DISTINCT born) FROM lab',
	'by mask' => 'SELECT value, count(*) FROM lab WHERE value BETWEEN 1000 AND 2000 GROUP BY value ORDER BY value',
	'path' => 'SELECT count(*), sum(value), sum(id) FROM result',
	'join' => 'SELECT count(*), sum(r.value) FROM result r JOIN visit v ON v.nr = r.visit_nr JOIN lab l ON l.id = r.id',
	'outer join' => 'SELECT count(*), count(l.id), sum(l.value) FROM generate_series(1, 20000) g LEFT JOIN lab l ON l.id = g',
	'partitions' => 'SELECT day, count(*), sum(v) FROM stream GROUP BY day ORDER BY day',
	'index' => 'SELECT count(*), min(gene), max(name) FROM lab WHERE id BETWEEN 5000 AND 15000',
	'subquery' => 'SELECT count(*) FROM lab l WHERE EXISTS (SELECT FROM result r WHERE r.id = l.id AND r.value % 2 = 0)',
	'whole rows' => 'SELECT count(DISTINCT to_jsonb(l)) FROM lab l WHERE id < 2000',
);
my $gathers = 0;
for my $use ('CLEAR', 'MASKED')
{
	for my $name (sort keys %query)
	{
		my $sql = $query{$name};
		my $alone = run("SET twin_privacy.use = '$use'; $serial\n$sql");
		unlike($alone, qr/ERROR/, "$use, $name: an answer");
		is(run("SET twin_privacy.use = '$use'; $parallel\n$sql"), $alone, "$use, $name: the same in workers");
		is(run("SET twin_privacy.use = '$use'; SET $forced = on;\n$sql"), $alone, "$use, $name: the same in one worker");
		is(run("SET twin_privacy.use = '$use'; $parallel SET plan_cache_mode = force_generic_plan; PREPARE p AS $sql;\nEXECUTE p"),
			$alone, "$use, $name: the same in a generic plan");
		$gathers++ if run("SET twin_privacy.use = '$use'; $parallel EXPLAIN $sql") =~ /Gather/;
	}
}
cmp_ok($gathers, '>=', 16, 'workers were planned');
isnt(run("SET twin_privacy.use = 'CLEAR'; $parallel SELECT min(value) FROM lab"),
	$node->safe_psql('postgres', 'SET twin_privacy.maintenance = on; SELECT min(value) FROM lab WHERE patient_id = 0'), 'there is something to hide');

# What the leader's transaction has done holds in its workers.
my $count = 'SELECT count(*), count(gene) FROM lab';
for my $setting ($parallel, "SET $forced = on;")
{
	my $alone = run("SET twin_privacy.use = 'CLEAR'; $serial $count");
	is(run("BEGIN; SET LOCAL twin_privacy.use = 'CLEAR'; $setting $count"), $alone, 'bound in the transaction');
	is(run("$setting $count"), "ERROR:  no approved use is bound", 'unbound');
	is(run("SET twin_privacy.use = 'NOPE'; $setting $count"), 'ERROR:  use "NOPE" does not exist', 'forged');
	my $own = run("BEGIN; SET LOCAL twin_privacy.use = 'CLEAR'; $setting $count; ROLLBACK; $count");
	is($own, "${alone}ERROR:  no approved use is bound", 'the binding ends with the transaction');
	$node->safe_psql('postgres', "GRANT pl_team TO pl_reader; REVOKE SELECT ON lab FROM PUBLIC; GRANT SELECT ON lab TO pl_team, pl_reader");
	is(run("SET ROLE pl_team; SET twin_privacy.use = 'CLEAR'; $setting $count"), $alone, 'as a role');
	my $changes = "SELECT twin_privacy.record_consent('250', 'permit', 'HRESCH') > 0; SELECT twin_privacy.withdraw_all_consent('1', 'x');";
	my $super = sub {
		my ($with) = @_;
		return $node->safe_psql('postgres', "SET twin_privacy.use = 'CLEAR'; BEGIN; $changes $with $count; ROLLBACK");
	};
	is($super->($setting), $super->($serial), 'consents of the same transaction');
	isnt($super->($setting), "t\n1\n$alone", 'which make a difference');
}

# The ledger counts rows and subjects alike.  It calls the subjects exact when a plan gives
# out the very rows its scan let through; workers may be ahead of what the client fetched.
my %exact = ('SELECT id FROM lab' => 't', 'SELECT id, value FROM result' => 't', 'SELECT v FROM stream WHERE day = 2' => 't',
	'SELECT id FROM lab WHERE value < 9000 AND gene IS NULL' => 't', 'SELECT l.id FROM lab l JOIN visit v ON v.nr = l.id AND v.nr < 500' => 'f');
for my $sql (sort keys %exact)
{
	my $mark = 0;
	my @seen = map {
		my $what = "ledger " . $mark++;
		run("SET twin_privacy.use = 'CLEAR'; SET twin_privacy.justification = '$what'; $_ $sql");
		$node->safe_psql('postgres', "SELECT row_count, subject_count, subjects_exact, outcome,
			(SELECT md5(string_agg(s, ',' ORDER BY s)) FROM twin_privacy.subjects_of(record_id) s)
			FROM twin_privacy.disclosures WHERE justification = '$what' ORDER BY record_id DESC LIMIT 1");
	} ($serial, $parallel, "SET $forced = on;");
	like($seen[0], qr/^\d{3,}\|\d{2,}\|$exact{$sql}\|done\|\w/, "$sql: recorded: $seen[0]");
	my $bound = $seen[0] =~ s/\|t\|done/|f|done/r;
	is($seen[1], $bound, "$sql: the same from workers, as an upper bound");
	is($seen[2], $bound, "$sql: the same from one worker");
}


# A statement that fails after its workers have read names them all the same.
my @failed = map {
	my $set = $_;
	run("SET twin_privacy.use = 'CLEAR'; SET twin_privacy.justification = 'failed $set'; $set SELECT sum(value / (id - 19990)) FROM result");
	$node->safe_psql('postgres', "SELECT subject_count > 100, outcome FROM twin_privacy.disclosures WHERE justification = 'failed $set'");
} ($parallel, "SET $forced = on;");
is($_, 't|error', 'the subjects of a failed statement') for @failed;

# A worker started by itself discloses nothing more: a function marked parallel safe that reads.
$node->safe_psql('postgres', q{
	CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT count(*) FROM lab';
	CREATE FUNCTION asked(p bigint) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT twin_privacy.permits(p, 'laboratory') $$;});
my $asked = 'SELECT count(*) FROM lab WHERE asked(id % 300)';
is(run("SET twin_privacy.use = 'CLEAR'; $parallel $asked"), run("SET twin_privacy.use = 'CLEAR'; $serial $asked"), 'permits() in workers');
my $nested = 'SELECT max(counted()) FROM visit WHERE nr < 100';
my ($in_worker, $in_leader) = map { run("SET twin_privacy.use = 'CLEAR'; $_ $nested") } ($parallel, $serial);
ok($in_worker eq $in_leader || $in_worker =~ /^ERROR/, "a reading function inside a worker: $in_worker");

$node->stop;
done_testing();
