# TwinPrivacy::Pool - PgBouncer in transaction mode in front of a test's server.
package TwinPrivacy::Pool;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

# Makes a pool for a node and a login.
sub new
{
	my ($class, $node, $login) = @_;
	my $dir = $node->basedir . '/pool';

	mkdir $dir or die;
	append_to_file("$dir/users", qq{"$login" ""\n});
	return bless { node => $node, dir => $dir, port => PostgreSQL::Test::Cluster::get_free_port() }, $class;
}

# Starts it with so many server connections and further settings.
sub start
{
	my ($self, $size, $more) = @_;
	my ($host, $server, $dir) = ($self->{node}->host, $self->{node}->port, $self->{dir});

	unlink "$dir/ini";
	append_to_file("$dir/ini", <<"INI");
[databases]
postgres = host=$host port=$server
[pgbouncer]
listen_addr =
unix_socket_dir = $dir
listen_port = $self->{port}
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = $size
pidfile = $dir/pid
logfile = $dir/log
ignore_startup_parameters = extra_float_digits
server_login_retry = 1
$more
INI
	run_log([ '/usr/sbin/pgbouncer', '-q', '-d', "$dir/ini" ]) or die 'pgbouncer does not start';
	return;
}

# Stops it by a signal and waits until it is gone.
sub stop
{
	my ($self, $signal) = @_;

	(my $pid = slurp_file("$self->{dir}/pid")) =~ s/\s//g;
	kill $signal // 'TERM', $pid;
	for (1 .. 100)
	{
		last unless kill 0, $pid;
		usleep(100_000);
	}
	unlink "$self->{dir}/pid", glob "$self->{dir}/.s.*";
	return;
}

1;
