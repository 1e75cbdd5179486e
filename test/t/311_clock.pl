# A server whose clock is set: what must end in time ends, however far the clock is
# set back, also in parallel workers and held cursors; the ledger stays in order,
# verifies, and tells of the step.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TwinPrivacy::Cluster;
use TwinPrivacy::HardTimes;

my $node = TwinPrivacy::Cluster->new_node('clock', start => 0, conf => "max_parallel_workers = 8\nmax_worker_processes = 16");
my $times = TwinPrivacy::HardTimes->new(PostgreSQL::Test::Utils::tempdir() . '/orders');
$times->start($node);
$node->safe_psql('postgres', q{
	CREATE EXTENSION twin_privacy CASCADE;
	CREATE ROLE officer LOGIN; GRANT twin_privacy_officer TO officer;
	CREATE ROLE chief LOGIN; GRANT twin_privacy_officer TO chief;
	CREATE ROLE doctor LOGIN;
	CREATE TABLE patient (id int PRIMARY KEY, name text);
	INSERT INTO patient SELECT i, 'patient ' || i FROM generate_series(1, 5000) i;
	ANALYZE patient;
	SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
	GRANT SELECT ON patient TO doctor;
	SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT', valid => '(,)') FROM generate_series(1, 5000) i;
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'hospital', categories => '{demographics}', disclosure => 'identified', valid => '(,)');
	SET SESSION AUTHORIZATION chief;
	SELECT twin_privacy.approve_use('ER'), twin_privacy.grant_use('ER', 'doctor')});
# A psql whose session stays open while the test sets the clock.
sub open_session
{
	my %s = (in => '', out => '', err => '');
	$s{run} = IPC::Run::start([ 'psql', '-XqAt', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') . ' user=doctor', '-f', '-' ],
		'<', \$s{in}, '>', \$s{out}, '2>', \$s{err}, IPC::Run::timeout(120));
	return \%s;
}

# Runs SQL in it; what it printed, errors included.
sub in_session
{
	my ($s, $sql) = @_;
	($s->{out}, $s->{err}) = ('', '');
	$s->{in} .= "$sql\n;\\echo ready\n";
	IPC::Run::pump($s->{run}) until $s->{out} =~ s/^ready\n//m;
	usleep(20_000);
	IPC::Run::pump_nb($s->{run});
	return $s->{out} . $s->{err};
}

# An emergency, with what it left open.
my $s = open_session();
in_session($s, q{SELECT twin_privacy.break_glass('7', 'unconscious, clock set back', '6 seconds');
	BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT name FROM patient; COMMIT; PREPARE p AS SELECT name FROM patient});
is(in_session($s, 'SELECT name FROM patient'), "patient 7\n", 'an emergency');
$times->order(-86400, 0);
like(in_session($s, 'SELECT now() < opened_at FROM twin_privacy.break_glass_events'), qr/^t$/m, 'the clock is set back by a day');
is(in_session($s, 'SELECT name FROM patient'), "patient 7\n", 'which does not end it');
usleep(6_100_000);
like(in_session($s, 'SELECT name FROM patient'), qr/TP001/, 'and does not lengthen it: its time is over');
like(in_session($s, 'EXECUTE p'), qr/TP00[12]/, 'nor that of a prepared statement');
unlike(in_session($s, 'FETCH ALL FROM h'), qr/patient 7/, 'nor that of a held cursor');
like(in_session($s, 'SELECT twin_privacy.end_break_glass()'), qr/55000/, 'it has ended');
in_session($s, q{SELECT twin_privacy.break_glass('8', 'unconscious, clock was wrong', '1 hour')});
is(in_session($s, 'SELECT name FROM patient'), "patient 8\n", 'one opened under the new time begins');
$times->order(0, 0);
like(in_session($s, 'SELECT name FROM patient'), qr/TP001/, 'and ends when the clock is set forward beyond its end');

# A use whose period ends soon by the clock as it is; then the clock is set back.
$node->safe_psql('postgres', q{
	CREATE FUNCTION counted(int) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT count(*) FROM patient WHERE id <= $1';
	GRANT EXECUTE ON FUNCTION counted(int) TO doctor;
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'ward', categories => '{demographics}', disclosure => 'identified',
		export => true, valid => tstzrange(now() - interval '2 days', now() + interval '10 seconds'));
	SET SESSION AUTHORIZATION chief;
	SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'doctor')});
my $parallel = 'SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;'
  . ' SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off';
in_session($s, "SET twin_privacy.use = 'CARE'; $parallel");
is(in_session($s, "SELECT count(*), count(name) FROM patient"), "5000|5000\n", 'a use in its period');
in_session($s, 'BEGIN; DECLARE c CURSOR FOR SELECT name FROM patient ORDER BY id');
is(in_session($s, 'FETCH 1 FROM c'), "patient 1\n", 'a cursor');
my $holder = open_session();
in_session($holder, "SET twin_privacy.use = 'CARE'; BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT name FROM patient ORDER BY id; COMMIT");
is(in_session($holder, 'FETCH 1 FROM h'), "patient 1\n", 'a held cursor');
$times->order(-86400, 0);
is(in_session($s, 'SELECT clock_timestamp() < now()'), "t\n", 'the clock is set back by a day');
usleep(10_200_000);
like(in_session($s, 'FETCH 1 FROM c'), qr/TP002.*has expired.*clock was set back/s, 'the use has ended all the same: cursors');
in_session($s, 'ROLLBACK');
unlike(in_session($holder, 'FETCH ALL FROM h'), qr/patient \d/, 'held cursors');
like(in_session($s, 'EXPLAIN (COSTS OFF) SELECT count(*) FROM patient'), qr/has expired/, 'plans');
like(in_session($s, 'SELECT count(*) FROM patient'), qr/TP002.*has expired/s, 'statements, which would have had workers');
like(in_session($s, 'SELECT counted(3)'), qr/TP002.*has expired/s, 'functions');

# A worker of its own decides by the same clocks: it began before the end and reads behind it.
$times->order(0, 0);
$node->safe_psql('postgres', q{
	CREATE FUNCTION late(int) RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE AS 'BEGIN PERFORM pg_sleep(9); RETURN counted($1); END';
	GRANT EXECUTE ON FUNCTION late(int) TO doctor;
	CREATE TABLE plain AS SELECT 1 AS i; GRANT SELECT ON plain TO doctor;
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.propose_use('CARE2', purpose => 'TREAT', recipient => 'ward', categories => '{demographics}', disclosure => 'identified',
		valid => tstzrange(now() - interval '2 days', now() + interval '8 seconds'));
	SET SESSION AUTHORIZATION chief;
	SELECT twin_privacy.approve_use('CARE2'), twin_privacy.grant_use('CARE2', 'doctor')});
my $forced = $node->safe_psql('postgres', 'SHOW server_version_num') >= 160000 ? 'debug_parallel_query' : 'force_parallel_mode';
in_session($s, "SET twin_privacy.use = 'CARE2'; SET $forced = on");
is(in_session($s, 'SELECT counted(3)'), "3\n", 'a use in its period');
$times->order(-86400, 0);
like(in_session($s, 'SELECT late(3) FROM plain'), qr/TP002.*has expired/s, 'parallel workers');
$times->order(0, 0);
like(in_session($s, 'SELECT count(*) FROM patient'), qr/has expired/, 'a refusal under the right time again');

# The ledger: order by sequence, whole, with the steps in it.
ok($node->poll_query_until('postgres', q{
	SELECT count(*) = 6 FROM twin_privacy.ledger_events WHERE kind = 'ledger.clock'}), 'the steps are recorded');
is($node->safe_psql('postgres', q{
	SELECT string_agg(round(((detail::jsonb)->>'seconds')::numeric)::text, ' ' ORDER BY event_id) FROM twin_privacy.ledger_events WHERE kind = 'ledger.clock'}),
	'-86400 86400 -86400 86400 -86400 86400', 'each, by how much');
is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'the chain verifies');
cmp_ok($node->safe_psql('postgres', q{
	SELECT count(*) FROM (SELECT recorded_at < lag(recorded_at) OVER (ORDER BY record_id) AS back FROM twin_privacy.disclosures) x WHERE back}),
	'>=', 1, 'its records carry the times the clock showed');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM twin_privacy.disclosures WHERE outcome = 'open'}), '0', 'nothing stays open');

# Stopped, set back, started: the first record says so; a use is asked for by the time there is now.
IPC::Run::kill_kill($_->{run}) for $s, $holder;
$node->stop;
$times->order(-7200, 0);
$times->start($node);
ok($node->poll_query_until('postgres', q{
	SELECT count(*) = 1 FROM twin_privacy.ledger_events WHERE kind = 'ledger.clock' AND detail LIKE '%before this start%' AND detail ~ '-7[12]\d\d'}),
	'a start earlier than the last record is recorded');
is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'the chain verifies');

$node->stop;
done_testing();
