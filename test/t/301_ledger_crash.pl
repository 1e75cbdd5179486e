# Crash rounds: eight clients read in every way there is while a backend, one of the
# ledger's processes or the whole server is killed, or its standby takes over.  Every
# row a client received has an intent in the ledger; after each round the chain
# verifies and nothing stays open.  TWP_CRASH_ROUNDS=100 ("make check-crash") runs the
# long form; TWP_CRASH_MODE=binding shows that losses would be seen.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TwinPrivacy::Cluster;
use TwinPrivacy::Crash;

my $rounds = $ENV{TWP_CRASH_ROUNDS} // 6;
my $mode = $ENV{TWP_CRASH_MODE} // 'statement';
my $node = TwinPrivacy::Cluster->new_node('crash', init => [ allows_streaming => 1 ],
	conf => "twin_privacy.ledger_commit = $mode\nrestart_after_crash = on\nfsync = on");
$node->safe_psql('postgres', $TwinPrivacy::Crash::set_up);

my $load = TwinPrivacy::Crash->new($node);
for my $round (1 .. $rounds)
{
	my $what = ('backend', 'worker', 'flusher', 'postmaster', 'immediate', 'fast')[ $round % 6 ];
	$load->begin($round);
	$load->kill_something($what);
	$node->start if $what =~ /^(postmaster|immediate|fast)$/;
	ok(TwinPrivacy::Cluster::await($node, 'SELECT true'), "round $round: up again ($what)");
	$load->finish($node, $mode);
}

# Ended by hand and started again, the flusher leaves nobody waiting, and the worker is missed by nobody.
my $calm = TwinPrivacy::Crash->new($node, readings => 8000);
my $ended = 0;
$calm->begin($rounds + 3);
while ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'nurse'}) > 0)
{
	my ($pid) = eval { $calm->process_of('flusher') };
	$ended += kill 'TERM', $pid if defined $pid;
	usleep(100_000);
}
cmp_ok($ended, '>', 1, "the flusher was ended $ended times");
kill 'TERM', $calm->process_of('worker');
usleep(300_000);
ok(TwinPrivacy::Cluster::await($node, 'SELECT worker_running FROM twin_privacy_internal.ledger_figures()'), 'the worker is started again');
$calm->finish($node, $mode);
cmp_ok($calm->{received}, '>', 4 * 8000, 'and everybody read to the end');

# The primary dies under load, and so do those who read there; who reads on its
# standby reads on while it is promoted, and then as on any primary.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('successor');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
my $there = TwinPrivacy::Crash->new($standby);
$there->begin($rounds + 1);
$load->begin($rounds + 2);
$load->kill_server;
$standby->promote;
ok(TwinPrivacy::Cluster::await($standby, 'SELECT NOT pg_is_in_recovery()'), 'the primary was killed: its standby takes over');
$there->kill_something('backend');
ok(TwinPrivacy::Cluster::await($standby, 'SELECT true'), 'and loses a backend at once');
$there->finish($standby, $mode);
$standby->stop;
$node->start;
$load->finish($node, $mode);

my ($received, $lost) = map { $load->{$_} + $there->{$_} } qw(received lost);
cmp_ok($received, '>', 100 * $rounds, "the clients read: $received rows, $load->{crashed} statements crashed");
is($lost, 0, 'no row was received unrecorded');
is($node->safe_psql('postgres', q{
	SELECT count(*) > 0 FROM twin_privacy.disclosures WHERE outcome IN ('crashed', 'cancelled', 'error', 'aborted')}),
	't', 'outcomes other than done were recorded');

# Without the worker (no process is left for it) nobody would write in time what mode binding records later.
$node->append_conf('postgresql.conf', "max_worker_processes = 0\ntwin_privacy.ledger_commit = binding");
$node->restart;
is($node->safe_psql('postgres', q{
	SET SESSION AUTHORIZATION nurse; SET twin_privacy.use = 'CARE';
	BEGIN; DECLARE c CURSOR FOR SELECT name FROM patient WHERE id = 7; FETCH 1 FROM c;
	RESET SESSION AUTHORIZATION;
	SELECT worker_running, waiting_bytes FROM twin_privacy_internal.ledger_figures()}),
	"patient 7\nf|0", 'without a worker the reader itself makes its record durable');

$node->stop;
done_testing();
