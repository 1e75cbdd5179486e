# Eight clients behind PgBouncer share three server connections while backends, the
# ledger's worker, the server and the pool itself are killed.  Every row a client
# received has a durable intent that names its person; in between, clients try what
# others may have left behind, and find nothing.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TwinPrivacy::Cluster;
use TwinPrivacy::Crash;
use TwinPrivacy::Pool;

my $rounds = $ENV{TWP_CRASH_ROUNDS} // 5;
my $node = TwinPrivacy::Cluster->new_node('pooled', conf => "restart_after_crash = on\ntwin_privacy.break_glass_debt_limit = -1");
$node->safe_psql('postgres', $TwinPrivacy::Crash::set_up);
$node->safe_psql('postgres', q{
	ALTER ROLE nurse SET twin_privacy.pooled = on;
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'ward', categories => '{demographics}', disclosure => 'identified');
	SET SESSION AUTHORIZATION chief;
	SELECT twin_privacy.approve_use('ER'), twin_privacy.grant_use('ER', 'nurse')});

# One transaction of a client, or an attempt to live off another's.
sub reading
{
	my ($client, $marker) = @_;
	my $id = 1 + int rand 100;
	my $select = "SELECT 'got', '$marker', name FROM patient WHERE id = $id";
	my $person = "SET LOCAL twin_privacy.actor = 'person $client'";
	my $claim = "$person; SET LOCAL twin_privacy.use = 'CARE'; SET LOCAL twin_privacy.justification = '$marker'";
	my $steal = "SELECT 'stolen', name FROM patient";
	my @ways = (
		"BEGIN; $claim; $select; COMMIT;",
		"BEGIN; $claim; $select; ROLLBACK;",
		"BEGIN; SET twin_privacy.use = 'CARE'; SET twin_privacy.actor = 'person $client'; SET twin_privacy.justification = '$marker'; $select; COMMIT;",
		"BEGIN; $claim; DECLARE c CURSOR FOR $select; FETCH 1 FROM c; ROLLBACK;",
		"BEGIN; $claim; DECLARE h CURSOR WITH HOLD FOR $steal; COMMIT; FETCH ALL FROM h; CLOSE ALL;",
		"SET twin_privacy.use = 'CARE'; $steal;",
		"$steal;",
		"BEGIN; $person; $steal; ROLLBACK;");
	my $glass = "BEGIN; $person; SELECT twin_privacy.break_glass('$id', '$marker'); SELECT 'got', '$marker', name FROM patient; COMMIT;";
	return "SET client_min_messages = error; " . (rand() < 0.02 ? $glass : $ways[ rand @ways ]) . "\n";
}

my $pool = TwinPrivacy::Pool->new($node, 'nurse');
my $load = TwinPrivacy::Crash->new($node, host => $pool->{dir}, port => $pool->{port}, reading => \&reading,
	known => "actor = 'person ' || split_part(justification, '.', 2)");
for my $round (1 .. $rounds)
{
	my $what = ('backend', 'worker', 'postmaster', 'immediate', 'pool')[ $round % 5 ];

	$pool->start(3, '');
	$load->begin($round);
	$load->kill_something($what) if $what ne 'pool';
	# Those who waited for a connection go on as soon as there is one again.
	$node->start if $what eq 'postmaster' || $what eq 'immediate';
	usleep(500_000);
	$pool->stop('KILL');
	ok(TwinPrivacy::Cluster::await($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'nurse'"),
		"round $round: up again after the $what was killed");
	$load->finish($node, 'statement');
}
cmp_ok($load->{received}, '>', 100 * $rounds, "the clients read: $load->{received} rows, $load->{crashed} statements crashed");
is($load->{lost}, 0, 'no row was received unrecorded, or under another name');
is($load->{stolen}, 0, 'nobody read what another had bound');
is($node->safe_psql('postgres', q{
	SELECT count(*) > 0, count(*) FILTER (WHERE actor IS DISTINCT FROM 'person ' || split_part(justification, '.', 2)) FROM twin_privacy.break_glass_events}),
	't|0', 'emergencies name their person, too');

$node->stop;
done_testing();
