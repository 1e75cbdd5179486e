# TwinPrivacy::Cluster - a server for a TAP test, set up as the harness sets up
# its own: preloaded library, master key, no network.
package TwinPrivacy::Cluster;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

# Makes a node; options: preload => 0 leaves the library out, start => 0 leaves
# it stopped, extension => 0 creates no extension, conf => extra settings,
# init => [ options of init ].
sub new_node
{
	my ($class, $name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	die "TWIN_PRIVACY_TEST_CONF is not set: run the tests by make check-tap\n"
	  unless $ENV{TWIN_PRIVACY_TEST_CONF};
	$node->init(@{ $option{init} // [] });
	$node->append_conf('postgresql.conf', slurp_file($ENV{TWIN_PRIVACY_TEST_CONF}));
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''")
	  if defined $option{preload} && !$option{preload};
	$node->append_conf('postgresql.conf', $option{conf}) if $option{conf};
	return $node if defined $option{start} && !$option{start};

	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION twin_privacy CASCADE')
	  unless (defined $option{preload} && !$option{preload})
	  || (defined $option{extension} && !$option{extension});
	return $node;
}

# Waits until a query on a node that may just be restarting gives true.  A psql
# whose connection breaks before it has read the query ends poll_query_until
# with a broken pipe: then it is begun again.
sub await
{
	my ($node, $query) = @_;

	for my $try (1 .. 20)
	{
		my $met = eval { $node->poll_query_until('postgres', $query) };

		return $met if $@ eq '';
		die $@ unless $@ =~ /Broken pipe/;
	}
	return 0;
}

1;
