# Attacks on the emergency door and on the record that take more than one session:
# judging oneself, staying in after a verdict or the patient's deny, refusals hidden
# behind long texts, one session that takes everybody's room in the ledger.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('door', conf => "max_connections = 20\nmax_wal_senders = 0\ntwin_privacy.break_glass_debt_limit = -1");
$node->safe_psql('postgres', q{
	CREATE ROLE officer LOGIN; GRANT twin_privacy_officer TO officer;
	CREATE ROLE chief LOGIN; GRANT twin_privacy_officer TO chief;
	CREATE ROLE app LOGIN;
	CREATE TABLE patient (id int PRIMARY KEY, name text);
	INSERT INTO patient SELECT i, 'patient ' || i FROM generate_series(1, 9) i;
	SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
	GRANT SELECT ON patient TO app;
	SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT') FROM generate_series(1, 9) i;
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'hospital', categories => '{demographics}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'hospital', categories => '{demographics}', disclosure => 'identified');
	SET SESSION AUTHORIZATION chief;
	SELECT twin_privacy.approve_use(u) FROM unnest('{ER,CARE}'::text[]) u;
	SELECT twin_privacy.grant_use(u, r) FROM unnest('{ER,CARE}'::text[]) u, unnest('{app,officer}'::name[]) r});

# Runs SQL as a role; output and errors.
sub run_as
{
	my ($role, $sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET client_min_messages = error;\n$sql", extra_params => [ '-U', $role ]);
	return "$out\n$err";
}

# Runs SQL as the application's login, with a command of another session in between.
sub with_command_between
{
	my ($before, $role, $command, $after) = @_;
	my $port = $node->port;
	my $host = $node->host;
	return run_as('app', "$before;\n\\! psql -XqAt -h $host -p $port -U $role -d postgres -c \"$command\" >/dev/null\n$after");
}
my $last = 'SELECT max(event_id) FROM twin_privacy.break_glass_events';
my $glass = "SELECT twin_privacy.break_glass('7', 'unconscious, no relatives') > 0";

# Nobody judges their own event, behind whatever login they opened it.
like(run_as('officer', "$glass; SELECT twin_privacy.end_break_glass(); SELECT twin_privacy.review_break_glass(($last), 'justified')"), qr/42501: nobody reviews their own/, 'by the same login');
run_as('app', "SET twin_privacy.actor = 'officer'; $glass");
like(run_as('officer', "SELECT twin_privacy.review_break_glass(($last), 'justified')"), qr/42501: nobody reviews their own/, 'by the login of the person named');
run_as('app', "SET twin_privacy.actor = 'dr A'; $glass");
like(run_as('officer', "SET twin_privacy.actor = 'dr A'; SELECT twin_privacy.review_break_glass(($last), 'justified')"), qr/42501: nobody reviews their own/, 'by the person named');
like(run_as('officer', "SET ROLE twin_privacy_officer; SELECT twin_privacy.review_break_glass(1, 'justified')"), qr/42501: nobody reviews their own/, 'as another role');
unlike(run_as('officer', "SELECT twin_privacy.review_break_glass(($last), 'justified')"), qr/ERROR/, 'somebody else does');

# A transaction that is prepared hands a pooled session on, too.
$node->safe_psql('postgres', 'ALTER ROLE app SET twin_privacy.pooled = on');
my $prepared = run_as('app', "BEGIN; SET LOCAL twin_privacy.actor = 'dr A'; $glass; SELECT name FROM patient; PREPARE TRANSACTION 'g'; BEGIN; SET LOCAL twin_privacy.actor = 'dr A';\nSELECT name FROM patient; ROLLBACK; ROLLBACK PREPARED 'g'");
like($prepared, qr/patient 7.*TP00/s, 'the next client of a prepared transaction finds no emergency');
is(scalar(() = $prepared =~ /patient 7/g), 1, 'and reads nothing');
$node->safe_psql('postgres', 'ALTER ROLE app RESET twin_privacy.pooled');

# A verdict, and the patient's own deny, hold for the statement that starts next.
my $held = "BEGIN; DECLARE c CURSOR FOR SELECT name FROM patient; PREPARE p AS SELECT name FROM patient; SELECT name FROM patient";
like(with_command_between("$glass; $held", 'chief', "SELECT twin_privacy.review_break_glass(($last), 'unjustified', 'stop')", 'FETCH ALL FROM c;'),
	qr/patient 7.*TP002: the emergency of break-glass event \d+ was ended/s, 'an officer stops an emergency: cursors');
like(with_command_between("$glass; SELECT name FROM patient", 'chief', "SELECT twin_privacy.review_break_glass(($last), 'unjustified', 'stop')", 'SELECT name FROM patient'),
	qr/patient 7.*TP002: the emergency of break-glass event \d+ was ended/s, 'statements');
my $binding = "SELECT twin_privacy.bind_use('CARE')";
like(with_command_between("\\set ON_ERROR_STOP off\n$binding; $glass", 'chief', "SELECT twin_privacy.review_break_glass(($last), 'unjustified', 'stop')", "SELECT count(*) FROM patient;\nSELECT 'bound to', twin_privacy.current_use()"),
	qr/bound to\|CARE/s, 'the earlier binding holds again');
is($node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.break_glass_events WHERE verdict = 'unjustified' AND ended_at = reviewed_at"), '3', 'the events say when');
like(with_command_between("$glass; SELECT name FROM patient", 'postgres', "SELECT twin_privacy.record_consent('7', decision => 'deny', purpose => 'BTG')", 'SELECT name FROM patient'),
	qr/patient 7.*TP002: the subject has denied emergency access/s, 'the patient forbids it: statements');
like(with_command_between("SELECT twin_privacy.break_glass('6', 'unconscious, no relatives') > 0; DECLARE h CURSOR WITH HOLD FOR SELECT name FROM patient", 'postgres',
		"SELECT twin_privacy.record_consent('6', decision => 'deny', purpose => 'BTG')", 'FETCH ALL FROM h'),
	qr/^t\n.*55000: portal "h" cannot be run/s, 'held cursors');
like(with_command_between("SELECT twin_privacy.break_glass('5', 'unconscious, no relatives') > 0; SELECT name FROM patient", 'officer', "SELECT twin_privacy.prohibit_purpose('BTG', 'test')", 'SELECT name FROM patient'),
	qr/patient 5.*TP002: purpose "BTG" .* prohibited/s, 'the purpose is prohibited');
like(run_as('app', "SELECT twin_privacy.break_glass('5', 'unconscious, no relatives')"), qr/TP002.*prohibited/s, 'for the next emergency, too');

# A refusal is recorded, however long the words it came with.
run_as('app', "SELECT set_config('twin_privacy.justification', repeat('x', 70000), false), set_config('twin_privacy.use', 'NONE', false); SELECT * FROM patient");
is($node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.disclosures WHERE outcome = 'refused' AND use_code = 'NONE'"), '1', 'a refusal behind a long justification');
like(run_as('app', "SELECT set_config('twin_privacy.justification', repeat('x', 70000), false), set_config('twin_privacy.use', 'CARE', false); SELECT * FROM patient"),
	qr/54000: too much to record/, 'which no reading may have');

# So is one for what a statement's functions would do.
run_as('app', "SET twin_privacy.use = 'CARE'; SET twin_privacy.justification = 'by a carrier'; SELECT pg_notify('x', name) FROM patient");
is($node->safe_psql('postgres', "SELECT outcome FROM twin_privacy.disclosures WHERE justification = 'by a carrier'"), 'refused', 'a refusal of what a function carries out');

# What a reader claims is no line of the patient's report.
run_as('app', q{SET twin_privacy.use = 'CARE'; SET twin_privacy.justification = E'x\n2020-01-01 00:00 UTC: Nobody.\u2028Nobody.'; SET twin_privacy.actor = E'dr A\r\n2020-01-01: Nobody.';
	SELECT name FROM patient WHERE id = 3});
my $report = $node->safe_psql('postgres', q{SELECT twin_privacy.disclosure_report('3')});
like($report, qr/dr A 2020-01-01: Nobody\. \(login app\).*Reason given: x 2020-01-01 00:00 UTC: Nobody\. Nobody\./, 'a forged line stays within its own');

# One session cannot take the room of all.
my $cursors = join "\n", map { "DECLARE c$_ CURSOR FOR SELECT name FROM patient;\nFETCH 1 FROM c$_;" } 1 .. 1000;
like(with_command_between("\\o /dev/null\n\\set ON_ERROR_STOP off\n\\set ON_ERROR_ROLLBACK on\nSET twin_privacy.use = 'CARE'; BEGIN;\n$cursors\nSELECT 1", 'app',
		"SET twin_privacy.use = 'CARE'; SET twin_privacy.justification = 'room for others'; SELECT name FROM patient", 'SELECT 1'),
	qr/54000: too many statements of this session are not ended/, 'a session that opens statements without end');
is($node->safe_psql('postgres', "SELECT outcome FROM twin_privacy.disclosures WHERE justification = 'room for others'"), 'done', 'leaves room for others');

$node->stop;
done_testing();
