# The attack suite: test/attack/*.sql, each attack closed here and leaking there.
use strict;
use warnings FATAL => 'all';

use Test::More;
use TwinPrivacy::Attack;
use TwinPrivacy::Cluster;

my $dir = "$ENV{TWIN_PRIVACY_SRC}/test/attack";
# the log must not repeat the attacks themselves; what an attack counts must not depend on a vacuum
my $node = TwinPrivacy::Cluster->new_node('attack',
	conf => "wal_level = logical\nlog_min_error_statement = panic\nautovacuum = off\n");

TwinPrivacy::Attack::set_up($node, $dir);
foreach my $file (glob "$dir/[0-9]*.sql")
{
	note($file);
	TwinPrivacy::Attack::test_file($node, $file);
}
$node->stop;
done_testing();
