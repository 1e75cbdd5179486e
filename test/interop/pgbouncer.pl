# PgBouncer in transaction mode: clients that share one server connection see what
# their own binding opens, the ledger names each, and what a client leaves behind is
# the next one's only where the pool is not told to clean up.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;
use TwinPrivacy::Pool;

my $node = TwinPrivacy::Cluster->new_node('pooled');
$node->safe_psql('postgres', q{
	CREATE ROLE pool_one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE pool_two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE pool_registrar LOGIN IN ROLE twin_privacy_registrar;
	CREATE ROLE pool_app LOGIN;
	CREATE TABLE chart (patient_id int NOT NULL, value int);
	INSERT INTO chart SELECT i, i FROM generate_series(1, 10) i;
	SELECT twin_privacy.protect_table('chart', subject => 'patient_id', category => 'laboratory');
	SELECT twin_privacy.label_column('chart', 'value', 'kind=plain');
	GRANT SELECT ON chart TO pool_app});
my @as = map { [ extra_params => [ '-U', $_ ] ] } qw(pool_one pool_two pool_registrar);
$node->safe_psql('postgres', q{
	SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('STUDY', purpose => 'HRESCH', recipient => 'us', categories => '{laboratory}', disclosure => 'pseudonymised');
	SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'us', categories => '{laboratory}', disclosure => 'identified')}, @{ $as[0] });
$node->safe_psql('postgres', q{SELECT twin_privacy.approve_use(u), twin_privacy.grant_use(u, 'pool_app') FROM unnest('{CARE,STUDY,ER}'::text[]) u}, @{ $as[1] });
$node->safe_psql('postgres', q{
	SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT') FROM generate_series(1, 7) i;
	SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH') FROM generate_series(1, 3) i}, @{ $as[2] });

my $pool = TwinPrivacy::Pool->new($node, 'pool_app');

# Runs one client's session through the pool; its output, or its SQLSTATE.
sub client
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'psql', '-XqAt', '-h', $pool->{dir}, '-p', $pool->{port}, '-U', 'pool_app', '-d', 'postgres', '-v', 'VERBOSITY=verbose' ], '<', \$sql, '>', \$out, '2>', \$err);
	chomp $out;
	return $err =~ /ERROR:  (\w{5}):/ ? $1 : $out;
}

$pool->start(1, '');
is(client('SELECT pg_backend_pid()'), client('SELECT pg_backend_pid()'), 'the clients share one server connection');
is(client('SELECT count(*) FROM chart'), 'TP001', 'no binding');
is(client("BEGIN; SET LOCAL twin_privacy.use = 'CARE'; SELECT count(*) FROM chart; COMMIT"), 7, 'bound for a transaction');
is(client('SELECT count(*) FROM chart'), 'TP001', 'the next client is not');
is(client("BEGIN; SET LOCAL twin_privacy.use = 'STUDY'; SELECT count(*) FROM chart; COMMIT"), 3, 'and has its own');
is(client("BEGIN; SET LOCAL twin_privacy.use = 'CARE'; SELECT 1/0; ROLLBACK"), '22012', 'an error ends the transaction');
is(client('SELECT count(*) FROM chart'), 'TP001', 'and its binding');

# Two clients in turns, each with its own use and person.
for my $i (1 .. 20)
{
	my ($use, $rows) = @{ [ [ 'CARE', 7 ], [ 'STUDY', 3 ] ]->[ $i % 2 ] };
	my $got = client("BEGIN; SET LOCAL twin_privacy.use = '$use'; SET LOCAL twin_privacy.actor = 'person $i'; SELECT count(*) FROM chart; COMMIT");
	is($got, $rows, "turn $i: $use");
}
is($node->safe_psql('postgres', q{
	SELECT string_agg(n || ' ' || use_code, ', ' ORDER BY use_code) FROM (
		SELECT use_code, count(DISTINCT actor) AS n FROM twin_privacy.disclosures WHERE actor LIKE 'person %' AND outcome = 'done' GROUP BY 1) x}),
	'10 CARE, 10 STUDY', 'the ledger names each person with their use');

# What a session sets without LOCAL is left to the next client of the same login, with
# no more authority than that login has; the guide says to have the pool clean up.
is(client("SELECT twin_privacy.bind_use('CARE'); SELECT count(*) FROM chart"), "\n7", 'bound for a session');
is(client('SELECT count(*) FROM chart'), 7, 'which the next client inherits in this mode');
$node->safe_psql('postgres', q{SELECT twin_privacy.suspend_use('CARE', 'test')}, @{ $as[1] });
is(client('SELECT count(*) FROM chart'), 'TP002', 'authority is asked at each statement, in the pool, too');
$node->safe_psql('postgres', q{SELECT twin_privacy.resume_use('CARE')}, @{ $as[1] });
is(client('SELECT twin_privacy.unbind_use(); SELECT count(*) FROM chart'), 'TP001', 'unbound');

# An emergency belongs to the person who opened it, not to the connection. (A client that
# leaves inside a transaction makes the pool close the connection, and the emergency ends.)
my $opened = client("SET twin_privacy.actor = 'dr A'; SELECT twin_privacy.break_glass('9', 'unconscious, no relatives') > 0; SELECT count(*) FROM chart");
is($opened, "t\n1", 'an emergency through the pool');
is(client("BEGIN; SET LOCAL twin_privacy.actor = 'dr B'; SELECT count(*) FROM chart; ROLLBACK"), 'TP001', 'serves no other person');
is(client("SET twin_privacy.actor = 'dr A'; SELECT twin_privacy.end_break_glass(); RESET twin_privacy.actor"), '', 'its person ends it');
$pool->stop;

$pool->start(1, "server_reset_query = DISCARD ALL\nserver_reset_query_always = 1");
is(client("SELECT twin_privacy.bind_use('CARE')"), '', 'bound for a session, with a pool that cleans up');
is(client('SELECT count(*) FROM chart'), 'TP001', 'the next client inherits nothing');
$pool->stop;

# A login whose sessions are said to be shared: nothing outlasts a transaction, whatever the pool does.
$node->safe_psql('postgres', 'ALTER ROLE pool_app SET twin_privacy.pooled = on');
$pool->start(1, '');
my $actor = "SET LOCAL twin_privacy.actor = 'dr A'";
my $glass = "SELECT twin_privacy.break_glass('9', 'unconscious, no relatives') > 0";
is(client("SELECT twin_privacy.bind_use('CARE'); SELECT count(*) FROM chart"), 'TP001', 'shared: what a transaction binds ends with it');
is(client("SET twin_privacy.use = 'CARE'; SET twin_privacy.actor = 'dr A'"), '', 'set for the session');
is(client("SELECT count(*) FROM chart"), 'TP001', 'which the next client does not inherit');
is(client("SELECT current_setting('twin_privacy.actor')"), '', 'nor the actor');
is(client("BEGIN; SELECT twin_privacy.bind_use('CARE'); SELECT count(*) FROM chart; COMMIT"), "\n7", 'bound for a transaction');
is(client("BEGIN; SET twin_privacy.use = 'CARE'; DECLARE h CURSOR WITH HOLD FOR SELECT * FROM chart; COMMIT"), '', 'a cursor held over its end');
isnt(client('FETCH 1 FROM h'), '1|1', 'which gives the next client nothing');
is(client('SET twin_privacy.pooled = off'), '42501', 'the client does not say otherwise');
is(client("BEGIN; $glass; COMMIT"), '55000', 'an emergency needs a person');
is(client("SET twin_privacy.actor = 'dr A'; $glass"), '55000', 'named in the same transaction');
is(client("SELECT set_config('twin_privacy.actor', 'dr A', false), twin_privacy.break_glass('9', 'unconscious, no relatives') > 0"), '25P01', 'which has more to come');
for my $end ('COMMIT', 'ROLLBACK')
{
	is(client("BEGIN; $actor; $glass; SELECT count(*) FROM chart; $end"), "t\n1", "an emergency ($end)");
	is(client("BEGIN; $actor; SELECT count(*) FROM chart; ROLLBACK"), 'TP001', 'the next client finds it ended, whoever it says it is');
}
ok($node->poll_query_until('postgres', 'SELECT bool_and(ended_at < expires_at) FROM twin_privacy.break_glass_events'), 'and so says its event');
is($node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.break_glass_events WHERE actor = 'dr A'"), '3', 'each names the person');
$pool->stop;

$node->stop;
done_testing();
