# Private uses: the budget under races, crashes, dumps and on standbys, and attacks on
# the noise: what is paid for is all there is.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('private', init => [ allows_streaming => 1 ]);

# Runs SQL as the analyst under a use; gives what came out, errors included.
sub ask
{
	my ($use, $sql, $on) = @_;
	my ($rc, $out, $err) = ($on // $node)->psql('postgres', "\\set VERBOSITY verbose\nSET twin_privacy.use = '$use';\n$sql",
		on_error_stop => 0, extra_params => [ '-U', 'noise_analyst' ]);
	return join "\n", grep { $_ ne '' } $out, $err;
}

# What a use has spent, in tenths of epsilon.
sub spent
{
	my ($use, $on, $database) = @_;
	return ($on // $node)->safe_psql($database // 'postgres',
		"SELECT round(spent * 10)::int FROM twin_privacy.privacy_budget WHERE use_code = '$use'");
}

$node->safe_psql('postgres', q{
	CREATE ROLE noise_one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE noise_two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE noise_analyst LOGIN;
	CREATE TABLE person (id bigint PRIMARY KEY, site int NOT NULL, value int NOT NULL);
	CREATE TABLE reading (person_id bigint NOT NULL, site int NOT NULL, value float8 NOT NULL);
	CREATE TABLE public_list (site int, n int);
	INSERT INTO person SELECT i, i % 5, i % 100 FROM generate_series(1, 1000) i;
	INSERT INTO reading SELECT 1 + i % 1000, i % 5, i % 100 FROM generate_series(1, 50000) i;
	INSERT INTO public_list SELECT i % 5, i FROM generate_series(1, 1000) i;
	SELECT twin_privacy.protect_table('person', 'id', 'laboratory'), twin_privacy.protect_table('reading', 'person_id', 'laboratory');
	SELECT twin_privacy.label_column('person', 'value', 'bounds=0:100'), twin_privacy.label_column('reading', 'value', 'bounds=0:100');
	GRANT SELECT ON person, reading, public_list TO noise_analyst;
	VACUUM ANALYZE;
	SET SESSION AUTHORIZATION noise_one;
	SELECT twin_privacy.propose_use(u, purpose => 'HRESCH', recipient => 'public', categories => '{laboratory}', disclosure => 'private',
		epsilon => e, basis => 'public_health') FROM (VALUES ('RACE', 2), ('CRASH', 100), ('ATTACK', 2), ('RICH', 100), ('FRESH', 100)) v(u, e);
	SET SESSION AUTHORIZATION noise_two;
	SELECT twin_privacy.approve_use(u), twin_privacy.grant_use(u, 'noise_analyst') FROM unnest('{RACE,CRASH,ATTACK,RICH,FRESH}'::text[]) u});

# Eight sessions ask 12 different questions each of a budget for 20.
my @clients = map {
	my $client = { number => $_, out => '' };

	$client->{in} = "SET twin_privacy.use = 'RACE';\n" . join('', map {
			"SELECT 'answered' FROM (SELECT count(*) AS n FROM reading WHERE value < " . ($client->{number} * 100 + $_) . ") s;\n" } 1 .. 12);
	$client->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' user=noise_analyst' ], '<', \$client->{in}, '>&', \$client->{out});
	$client;
} 1 .. 8;
$_->{run}->finish foreach @clients;
my $all = join '', map { $_->{out} } @clients;
is(scalar(() = $all =~ /^answered$/mg), 20, 'sessions at once get exactly what the budget holds');
is(scalar(() = $all =~ /budget of use "RACE" is exhausted/g), 76, 'and are refused the rest');
is(spent('RACE'), 20, 'all of it is spent');

# A crash in the middle of asking refunds nothing that was answered.
my $asking = { in => "SET twin_privacy.use = 'CRASH';\n" . join('', map { "SELECT 'answered' FROM (SELECT count(*) AS n FROM person WHERE value < $_) s;\n" } 1 .. 900),
	out => '' };
$asking->{run} = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' user=noise_analyst' ], '<', \$asking->{in}, '>&', \$asking->{out});
for (1 .. 1000)
{
	$asking->{run}->pump_nb;
	last if (() = $asking->{out} =~ /^answered$/mg) > 30;
	select undef, undef, undef, 0.02;
}
$node->stop('immediate');
eval { $asking->{run}->finish };
$node->start;
my $answers = () = $asking->{out} =~ /^answered$/mg;
cmp_ok($answers, '>', 30, 'the crash came while answers did');
cmp_ok(spent('CRASH'), '>=', $answers, 'what was answered before the crash stays charged');
cmp_ok(spent('CRASH'), '<', 900, 'and what was not asked is not');
is(spent('RACE'), 20, 'a spent budget stays spent');

# A dump takes the account with it.
my $file = $node->basedir . '/dump.sql';
{
	local $ENV{PGOPTIONS} = '-c twin_privacy.maintenance=on';
	$node->command_ok([ 'pg_dump', '-f', $file, '-d', $node->connstr('postgres') ], 'dump');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-d', $node->connstr('restored') ], 'restore');
}
is(spent('RACE', $node, 'restored'), 20, 'the restored account has spent what the dumped one had');

# A standby knows what is spent, charges nothing, and goes on from there when promoted.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('private_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
# (Caps are given: found from a thousand people for an eighth of epsilon, one may be so large that a count of 50,000 goes below any bound.)
like(ask('RICH', 'SET twin_privacy.max_rows_per_subject = 1; SELECT count(*) > -1000 FROM person'), qr/^t$/m, 'a question on the primary');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is(spent('RICH', $standby), 1, 'the charge is on the standby');
like(ask('RICH', 'SELECT count(*) FROM reading', $standby), qr/TP003: a standby cannot charge/, 'which charges nothing itself');
$standby->promote;
is(spent('RICH', $standby), 1, 'promoted it has forgotten nothing');
like(ask('RICH', 'SET twin_privacy.max_rows_per_subject = 50; SELECT count(*) > -1000 FROM reading', $standby), qr/^t$/m, 'and charges');
is(spent('RICH', $standby), 2, 'on top');
$standby->stop;

# Averaging: the same question a hundred times has one answer and costs once.
my $out = ask('ATTACK', join '', map { "SELECT count(*) FROM reading;\n" } 1 .. 100);
my %values = map { $_ => 1 } split /\n/, $out;
is(scalar(keys %values), 1, 'the same question has the same answer a hundred times');
is(spent('ATTACK'), 1, 'and costs once');
# Inside one statement, too, whatever the plan.
$out = ask('ATTACK', q{SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off;
	SELECT count(DISTINCT s.n) FROM generate_series(1, 500) g LEFT JOIN (SELECT count(*) AS n FROM reading WHERE site = 1) s ON g > 0;
	SELECT count(DISTINCT n) FROM (SELECT (SELECT count(*) FROM reading WHERE site = 1 OFFSET 0) AS n FROM generate_series(1, 500)) s;
	WITH a AS NOT MATERIALIZED (SELECT count(*) AS n FROM reading WHERE site = 1)
	SELECT count(DISTINCT n) FROM (SELECT n FROM a UNION ALL SELECT n FROM a UNION ALL SELECT n FROM a) s});
is($out, "1\n1\n1", 'one statement has one noise however often its plan asks');
is(spent('ATTACK'), 2, 'for one charge');
# Variants of a question cost each; when the budget is spent there are no more.
$out = ask('ATTACK', "SET client_min_messages = error;\n" . join '', map { "SELECT count(*) FROM reading WHERE value > -$_;\n" } 1 .. 100);
is(scalar(() = $out =~ /^-?\d+$/mg), 18, 'variants are answered as long as they are paid for');
like(ask('ATTACK', "SET twin_privacy.query_epsilon = 0.00001; SELECT count(*) FROM person WHERE value > 98.5;\n" x 3), qr/exhausted/, 'not even with little epsilon');
like(ask('RICH', 'SET twin_privacy.query_epsilon = 100; SELECT count(*) FROM person WHERE value = 3'), qr/exhausted/, 'nor with more than is left');
# In a transaction that is rolled back noise is fresh each time, and each time is paid.
my $before = spent('RICH');
ask('RICH', "BEGIN; SELECT count(*) FROM person WHERE value = 7; ROLLBACK;\n" x 5);
is(spent('RICH'), $before + 5, 'rolled back questions are paid each time');

# Row multiplication: no join makes rows weigh more.
like(ask('RICH', 'SELECT count(*) FROM reading r JOIN public_list p ON p.site = r.site'), qr/TP003.*may multiply/, 'a table that multiplies rows is refused');
like(ask('RICH', 'SELECT count(*) FROM reading a JOIN reading b ON a.site = b.site'), qr/TP003/, 'so are rows of two people');
$out = ask('RICH', q{SET twin_privacy.query_epsilon = 5; SET twin_privacy.max_rows_per_subject = 50; SELECT count(*) FROM reading a JOIN reading b ON a.person_id = b.person_id});
cmp_ok(abs($out - 50000), '<', 400, "a person joined with themselves counts as the cap, not as its square");
# The empty set and the whole look alike but for the numbers.
$out = ask('RICH', 'SET twin_privacy.query_epsilon = 5; SELECT count(*), sum(value), avg(value) IS NULL OR avg(value) BETWEEN 0 AND 100 FROM person WHERE value > 1000');
like($out, qr/^-?\d{1,2}\|-?\d{1,4}\|t$/, 'nobody is a small number and no error');
is(ask('RICH', 'SET twin_privacy.query_epsilon = 1; SELECT value, count(*) FROM person WHERE value > 1000 GROUP BY value'), '', 'no groups are no rows');

# Overflow, infinities, what is no number: no errors, no NULLs, no large sums.
$node->safe_psql('postgres', q{
	SET twin_privacy.maintenance = on;
	INSERT INTO reading SELECT 1, 0, v FROM unnest('{NaN,Infinity,-Infinity,1.7e308,-1.7e308,5e-324}'::float8[]) v, generate_series(1, 100);
	ALTER TABLE person ADD COLUMN big numeric;
	UPDATE person SET big = CASE id WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN ('1' || repeat('0', 5000)) ELSE '50' END::numeric});
$out = ask('RICH', q{SET twin_privacy.query_epsilon = 10; SET twin_privacy.max_rows_per_subject = 60;
	SELECT abs(sum(value) - 2475000) < 50000, abs(avg(value) - 49.5) < 2, stddev(value) BETWEEN 20 AND 40 FROM reading});
is($out, 't|t|t', 'extreme values are put at the bounds');
$out = ask('RICH', q{SET twin_privacy.query_epsilon = 10; SELECT abs(avg(LEAST(GREATEST(big, 0), 100)) - 50) < 5 FROM person});
is($out, 't', 'of numerics, too');
like(ask('RICH', 'SELECT avg(s) FROM (SELECT person_id, LEAST(GREATEST(sum(value), 0), 100) AS s FROM reading GROUP BY person_id) x'),
	qr/TP003/, 'sums that can overflow tell of no one');

# Plans: workers add up to the same.
$out = ask('RICH', q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off;
	SET twin_privacy.query_epsilon = 10; SET twin_privacy.max_rows_per_subject = 50; SET twin_privacy.max_groups_per_subject = 1;
	SELECT site, abs(count(*) - 10000) < 300, abs(avg(value) - 49.5) < 5 FROM reading WHERE value >= 0 GROUP BY site ORDER BY site});
like($out, qr/^0\|t\|t\n1\|t\|t\n2\|t\|t\n3\|t\|t\n4\|t\|t$/, 'parallel workers give the same figures') or diag($out);

# Noise is made again only for a new charge, whatever becomes of the counters that tell whether data changed; and never the same
# noise on other data, where the difference of two answers would be the difference of the data.
my $questions = join '', map { "SELECT count(*) FROM person WHERE value < $_;\n" } map { 5 * $_ } 1 .. 20;
my ($first, $spent) = (ask('FRESH', $questions), spent('FRESH'));

is($spent, 20, 'twenty questions');
is(ask('FRESH', $questions), $first, 'asked again they are answered again');
is(spent('FRESH'), 20, 'for nothing');
my %reset = (
	'counters set back' => sub { $node->safe_psql('postgres', "SELECT pg_stat_reset(), pg_stat_reset_single_table_counters('person'::regclass)") },
	'a crash' => sub { $node->stop('immediate'); $node->start },
	'a vacuum' => sub { $node->safe_psql('postgres', 'VACUUM FULL person; ANALYZE person') },
	'a change that is rolled back' => sub { $node->safe_psql('postgres', 'SET twin_privacy.maintenance = on; BEGIN; DELETE FROM person; ROLLBACK') });
foreach my $what (sort keys %reset)
{
	$reset{$what}->();
	my $again = ask('FRESH', $questions);
	my $now = spent('FRESH');

	ok($again eq $first || $now == $spent + 20, "after $what other answers are paid for");
	isnt($again, $first, 'and have noise of their own') if $now > $spent;
	($first, $spent) = ($again, $now);
}
$node->safe_psql('postgres', 'SET twin_privacy.maintenance = on; DELETE FROM person WHERE value = 0 AND id <= 100');
my @before = split /\n/, $first;
my @after = split /\n/, ask('FRESH', $questions);
my %differences = map { $before[$_] - $after[$_] => 1 } 0 .. 19;
is(spent('FRESH'), $spent + 20, 'changed data is asked anew');
cmp_ok(scalar(keys %differences), '>', 2, 'and gets noise of its own: the differences are not those of the data');

$node->stop;
done_testing();
