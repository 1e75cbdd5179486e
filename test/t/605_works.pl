# What applications do keeps working: under a use that sees everything, every
# statement of test/attack/works.sql says what it says unprotected.
use strict;
use warnings FATAL => 'all';

use Test::More;
use TwinPrivacy::Attack;
use TwinPrivacy::Cluster;

my $dir = "$ENV{TWIN_PRIVACY_SRC}/test/attack";
my $node = TwinPrivacy::Cluster->new_node('works');

TwinPrivacy::Attack::set_up($node, $dir);
TwinPrivacy::Attack::test_same($node, "$dir/works.sql");
$node->stop;
done_testing();
