# status() says what is wrong when something is: library, key, ledger, officers, standby.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('operations', init => [ allows_streaming => 1 ]);

# The state and detail of each check.
sub status
{
	my ($server) = @_;
	return map { my ($name, @rest) = split /\|/; ($name => "@rest") } split /\n/,
	  ($server // $node)->safe_psql('postgres', 'SELECT * FROM twin_privacy.status()');
}

my %at = status();
is(scalar keys %at, 13, 'thirteen checks');
like($at{four_eyes}, qr/^warning .*: 0; no use can be approved/, 'no officers');
like($at{$_}, qr/^ok /, "$_ is well") for qw(preload version master_key ledger ledger_worker ledger_lag consent_map uses break_glass replication maintenance);
$node->safe_psql('postgres', "CREATE ROLE $_ LOGIN IN ROLE twin_privacy_officer") for qw(op_one op_two);
%at = status();
like($at{four_eyes}, qr/^ok .*: 2$/, 'two officers are enough');

# Keys under another master key want wrapping anew; without any, the check says so.
$node->safe_psql('postgres', "SELECT twin_privacy.create_pseudonym_domain('REGISTRY')");
my $other = $node->basedir . '/other.key';
append_to_file($other, ('ab' x 32) . "\n");
chmod 0600, $other or die;
$node->append_conf('postgresql.conf', "twin_privacy.master_key_file = '$other'");
$node->reload;
$node->poll_query_until('postgres', "SELECT state = 'warning' FROM twin_privacy.status() WHERE check_name = 'master_key'") or die;
%at = status();
like($at{master_key}, qr/data keys: 1, 1 of them under another master key: call twin_privacy.rewrap/, 'another master key');
unlink $other;
%at = status();
like($at{master_key}, qr/^error the master key is not available/, 'no master key');
unlike($at{master_key}, qr/other\.key/, 'and no path in the answer');
$node->append_conf('postgresql.conf', slurp_file($ENV{TWIN_PRIVACY_TEST_CONF}));
$node->reload;

# A standby tells how far its own records are from the primary.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('operations_standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$standby->poll_query_until('postgres', q{SELECT detail ~ 'segments may not be on the primary' FROM twin_privacy.status() WHERE check_name = 'ledger_lag'})
  or die;
my %there = status($standby);
like($there{ledger}, qr/^ok open/, 'the standby has a ledger of its own');
like($there{master_key}, qr/^ok /, 'and the key');
is($standby->safe_psql('postgres', q{SELECT count(*) > 15 FROM twin_privacy.twin_privacy_stat}), 't', 'and figures');
$standby->stop;

# Without the library every check answers, and the first says what to do.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
%at = status();
is(scalar keys %at, 13, 'thirteen checks without the library');
like($at{preload}, qr/^error protected tables are closed: add twin_privacy to shared_preload_libraries/, 'not preloaded');
like($at{$_}, qr/^error twin_privacy must be loaded via shared_preload_libraries/, "$_ cannot be told") for qw(version master_key ledger ledger_worker ledger_lag);

$node->stop;
done_testing();
