# Break-glass beyond one session: NOTIFY and row at once although the transaction
# rolls back, the log line, the end of the session, no free worker, a crash, a standby.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('glass', init => [ allows_streaming => 1 ]);
$node->safe_psql('postgres', q{
	CREATE ROLE officer LOGIN; GRANT twin_privacy_officer TO officer;
	CREATE ROLE chief LOGIN; GRANT twin_privacy_officer TO chief;
	CREATE ROLE doctor LOGIN;
	CREATE TABLE patient (id int PRIMARY KEY, name text);
	INSERT INTO patient SELECT i, 'patient ' || i FROM generate_series(1, 5) i;
	SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
	GRANT SELECT ON patient TO doctor;
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'hospital',
		categories => '{demographics}', disclosure => 'identified');
	SET SESSION AUTHORIZATION chief;
	SELECT twin_privacy.approve_use('ER');
	SELECT twin_privacy.grant_use('ER', 'doctor')});

# Runs SQL as the doctor and returns what it printed.
sub doctor
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', 'doctor' ]);
	return "$out\n$err";
}

# What an officer sees of an event.
sub event
{
	my ($id, $columns) = @_;
	return $node->safe_psql('postgres',
		"SELECT $columns FROM twin_privacy.break_glass_events WHERE event_id = $id");
}

my $log_offset = -s $node->logfile;
my ($rc, $out, $err) = $node->psql('postgres', q{
	LISTEN twin_privacy_break_glass;
	\! psql -X -q -U doctor -d postgres -c "BEGIN" -c "SELECT twin_privacy.break_glass('1', 'rolled back at once')" -c "SELECT name FROM patient" -c "ROLLBACK"
	SELECT 1});
like($out, qr/patient 1/, 'the records are open at once');
like($out, qr/Asynchronous notification "twin_privacy_break_glass" with payload .*"event_id" : 1, "session_role" : "doctor", "use_code" : "ER"/,
	'NOTIFY arrives although the transaction rolled back');
unlike($out . $err, qr/payload.*rolled back at once/, 'without the justification');
my $log = slurp_file($node->logfile, $log_offset);
like($log, qr/doctor?.*WARNING:  break-glass event 1: "doctor" opened|WARNING:  break-glass event 1: "doctor" opened/, 'the log has a warning');
unlike($log =~ s/STATEMENT:.*//gr, qr/rolled back at once/, 'without the justification');
is(event(1, 'subject, session_role, justification'), '1|doctor|rolled back at once', 'the row survives the rollback');
ok($node->poll_query_until('postgres',
	'SELECT ended_at < expires_at FROM twin_privacy.break_glass_events WHERE event_id = 1'),
	'the end of the session ends the emergency');
ok($node->poll_query_until('postgres', q{
	SELECT count(*) = 1 FROM twin_privacy.ledger_events WHERE kind = 'break_glass.end' AND object = '1'}),
	'and the ledger knows');

# Two sessions of one login race for the last place below the limit.
$node->append_conf('postgresql.conf', 'twin_privacy.break_glass_debt_limit = 2');
$node->reload;
my @racers = map { IPC::Run::start(
	[ 'psql', '-X', '-q', '-h', $node->host, '-p', $node->port, '-U', 'doctor', '-d', 'postgres',
	  '-c', "SELECT twin_privacy.break_glass('$_', 'two at the same time')" ],
	'>', \my $racer_out, '2>', \my $racer_err) } (2, 3, 4);
IPC::Run::finish($_) for @racers;
is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.break_glass_events'), '2',
	'of three at the same time one got the last place');
like(doctor("SELECT twin_privacy.break_glass('5', 'over the limit')"),
	qr/wait for review.*HINT:  Ask a member of twin_privacy_officer \(chief, officer\)/s, 'a hint whom to ask');
$node->safe_psql('postgres', q{
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.review_break_glass(event_id, 'justified') FROM twin_privacy.break_glass_events});

# Nobody holds up another person's emergency: the lock on a person's debt is no advisory one.
my ($oid) = $node->safe_psql('postgres', "SELECT 'doctor'::regrole::oid");
like(doctor("SET statement_timeout = '2s'; SELECT pg_advisory_lock_shared(hashtextextended('twin_privacy.break_glass $oid', 0));"
	  . " SELECT twin_privacy.break_glass('1', 'with the lock held'); SELECT name FROM patient"), qr/patient 1/, 'advisory locks do not matter');
$node->safe_psql('postgres', q{
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.review_break_glass(event_id, 'justified') FROM twin_privacy.break_glass_events WHERE verdict IS NULL});

# No free worker: it is recorded in the person's own transaction, and opens with its commit.
$node->append_conf('postgresql.conf', "max_worker_processes = 1\nmax_logical_replication_workers = 0");
$node->restart;
like(doctor("SELECT twin_privacy.break_glass('5', 'no worker is free'); SELECT name FROM patient"),
	qr/patient 5/, 'without a free worker the records are open, too');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM twin_privacy.break_glass_events WHERE justification = 'no worker is free'}),
	'1', 'and the event is recorded');
for my $take_back ('ROLLBACK', 'ROLLBACK TO s; COMMIT', 'COMMIT')
{
	my $answer = doctor("BEGIN; SAVEPOINT s; SELECT twin_privacy.break_glass('4', 'announced only if committed'); SAVEPOINT t; RELEASE t; $take_back; SELECT name FROM patient");
	my $events = $node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.break_glass_events WHERE justification = 'announced only if committed'");
	like($answer, qr/WARNING:  break-glass event \d+: "doctor" opens .* when this transaction commits/, "$take_back: the log and the person are told");
	is($answer =~ /patient 4/ ? 'read' : 'closed', $take_back eq 'COMMIT' ? 'read' : 'closed', "$take_back: nothing is read before the event is there for good");
	is($events, $take_back eq 'COMMIT' ? 1 : 0, "$take_back: the event");
}
$node->safe_psql('postgres', q{
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.review_break_glass(event_id, 'justified') FROM twin_privacy.break_glass_events WHERE verdict IS NULL});
like(doctor("BEGIN; SELECT twin_privacy.break_glass('5', 'not before the commit'); SELECT name FROM patient; COMMIT"), qr/no approved use is bound/, 'nor inside the transaction');
like(doctor("BEGIN; SELECT twin_privacy.break_glass('5', 'one at a time'); SELECT twin_privacy.break_glass('4', 'and one more')"), qr/in an emergency already/, 'one at a time');
$node->append_conf('postgresql.conf', "max_worker_processes = 8\nmax_logical_replication_workers = 4");
$node->restart;
$node->safe_psql('postgres', q{
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.review_break_glass(event_id, 'unjustified', 'test') FROM twin_privacy.break_glass_events WHERE verdict IS NULL});

# Straight from the opening into a crash.
$node->psql('postgres', "SELECT twin_privacy.break_glass('4', 'then the power failed'); SELECT pg_sleep(60)",
	extra_params => [ '-U', 'doctor' ], timeout => 2, timed_out => \my $timed_out);
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM twin_privacy.break_glass_events WHERE justification = 'then the power failed'}),
	'1', 'the event survives a crash');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM twin_privacy.ledger_events WHERE kind = 'break_glass.open' AND subject = '4'
	   AND object = (SELECT max(event_id) FROM twin_privacy.break_glass_events)::text}), '1', 'in the ledger, too');

# A standby cannot announce it, so it refuses.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('glass_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
($rc, $out, $err) = $standby->psql('postgres', "SELECT twin_privacy.break_glass('1', 'on a standby')",
	extra_params => [ '-U', 'doctor' ]);
like($err, qr/cannot break the glass on a standby/, 'not on a standby');

$standby->stop;
$node->stop;
done_testing();
