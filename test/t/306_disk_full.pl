# The disk of the spool is full, under load: what cannot be recorded is refused with a
# clear error, what was received is recorded, statements that were let through are
# completed, also over a restart; with space comes service, without a restart.
#
# The disk is a small one of its own where the harness may mount one; elsewhere the
# server is told that it is full (test/modules/hard_times).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;
use TwinPrivacy::Crash;
use TwinPrivacy::HardTimes;

my $disk = $ENV{TWIN_PRIVACY_SMALL_DISK} || PostgreSQL::Test::Utils::tempdir();
my $real = ($ENV{TWIN_PRIVACY_SMALL_DISK} // '') ne '';
note($real ? "a disk of its own: $disk" : 'a library that says so');
my $times = TwinPrivacy::HardTimes->new(PostgreSQL::Test::Utils::tempdir() . '/orders', $real ? undef : $disk);
my $node = TwinPrivacy::Cluster->new_node('full', start => 0, conf => "twin_privacy.ledger_directory = '$disk/ledger'");

# Fills what is left of the disk, or frees it.
sub fill
{
	my ($full) = @_;

	$times->order(0, $full);
	return unless $real;
	unlink "$disk/filler";
	return unless $full;
	open my $fh, '>', "$disk/filler" or die $!;
	1 while syswrite $fh, "x" x 65536;
	die $! unless $!{ENOSPC};
	close $fh;
	return;
}

# Runs SQL as a role; output and errors.
sub run_as
{
	my ($role, $sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role ]);
	return "$out$err";
}

$times->start($node);
$node->safe_psql('postgres', "CREATE EXTENSION twin_privacy CASCADE; $TwinPrivacy::Crash::set_up");
$node->safe_psql('postgres', q{
	CREATE TABLE plain AS SELECT 1 AS i; GRANT SELECT ON plain TO nurse;
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'ward', categories => '{demographics}', disclosure => 'identified');
	SET SESSION AUTHORIZATION chief;
	SELECT twin_privacy.approve_use('ER'), twin_privacy.grant_use('ER', 'nurse')});
my $read = "SET twin_privacy.use = 'CARE'; SELECT name FROM patient WHERE id = 7";
is(run_as('nurse', $read), 'patient 7', 'there is room');

# Records of 60 kB fill what the spool has in no time: eight clients run into its end.
my $load = TwinPrivacy::Crash->new($node, readings => 200, reading => sub {
	my ($client, $marker) = @_;
	return "SELECT set_config('twin_privacy.use', 'CARE', false), set_config('twin_privacy.actor', repeat('x', 60000), false), set_config('twin_privacy.justification', '$marker', false);\n"
	  . "SELECT 'got', '$marker', name FROM patient WHERE id = 1;\n" });
# Statements that are open when it comes.
sub open_statement
{
	return IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres') . ' user=nurse', '-c', "SET twin_privacy.use = 'CARE'", '-c', "SET twin_privacy.justification = 'open'",
		'-c', 'BEGIN', '-c', 'DECLARE c CURSOR FOR SELECT name FROM patient', '-c', 'FETCH 1 FROM c', '-c', 'SELECT pg_sleep(600)' ], '>', \my $out, '2>', \my $err);
}
my @open = (open_statement(), open_statement());
ok($node->poll_query_until('postgres', "SELECT count(*) = 2 FROM twin_privacy.disclosures WHERE outcome = 'open'"), 'statements are open');
fill(1);
$load->begin(1);
$load->finish($node, 'statement');
cmp_ok($load->{received}, '>', 100, "$load->{received} rows came before the disk was full");
cmp_ok($load->{received}, '<', 8 * 200, 'and none thereafter');
like(slurp_file($node->logfile), qr/twin_privacy ledger: could not fill ".*": No space left on device/, 'the log says why');

# Small statements may still find room in what is left; fill that, too.
my $long = "SET twin_privacy.use = 'CARE'; SELECT set_config('twin_privacy.justification', repeat('x', %d), false);" . ' SELECT count(*) FROM patient;' x 100;
run_as('nurse', sprintf $long, $_) for 60000, 10000, 1000, 100, 1;
my $refused = run_as('nurse', $read);
like($refused, qr/ERROR:  TP004: the ledger cannot record, so nothing is disclosed\nHINT:  Ask the administrator/, 'reads are refused, with a hint');
like(run_as('nurse', "SELECT twin_privacy.break_glass('7', 'unconscious, disk is full'); SELECT name FROM patient"), qr/TP004/, 'emergencies, too');
unlike(run_as('nurse', "SELECT twin_privacy.break_glass('7', 'unconscious, disk is full'); SELECT name FROM patient"), qr/patient 7/, 'and give nothing');
my ($purpose, $change) = (0, '');
$change = run_as('postgres', "SELECT twin_privacy.add_purpose('FULL" . ++$purpose . "', 'TREAT', 'x')") until $change =~ /TP004/ || $purpose > 500;
like($change, qr/TP004/, 'and changes of policy');
is($node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.purposes WHERE code = 'FULL$purpose'"), '0', 'which do not happen');
is(run_as('nurse', 'SELECT i FROM plain'), '1', 'other tables are read');
like($node->safe_psql('postgres', "SELECT state, detail FROM twin_privacy.status() WHERE check_name = 'ledger'"), qr/^error\|open .*room for \d+ bytes more/, 'status() tells');

# A restart, in order or not, loses nothing and makes no room.
my $recorded = $node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.disclosures');
for my $how ('immediate', 'fast')
{
	$node->stop($how);
	$times->start($node);
	IPC::Run::finish($_) for splice @open;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.disclosures'), $recorded, "$how shutdown: what was recorded is there");
	is($node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.disclosures WHERE outcome = 'open'"), '0', 'nothing is open');
	like(run_as('nurse', $read), qr/TP004/, 'the disk is still full');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'the chain verifies');
}

is($node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.disclosures WHERE justification = 'open' AND outcome = 'crashed'"), '2',
	'what a crash left open is completed, in the room kept for it');
fill(0);
is(run_as('nurse', $read), 'patient 7', 'there is space again: reads go on, without a restart');
is(run_as('nurse', "SELECT twin_privacy.break_glass('7', 'unconscious, disk has space') > 0; SELECT count(*) FROM patient")
	=~ s/\n?psql:.*//sr, "t\n1", 'and emergencies');
is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'the chain verifies');
ok($node->poll_query_until('postgres', "SELECT state = 'ok' FROM twin_privacy.status() WHERE check_name = 'ledger'"), 'status() tells');

$node->stop;
done_testing();
