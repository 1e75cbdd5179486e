# TwinPrivacy::Protocol - a client that speaks the extended protocol by hand:
# it can execute a portal for a few rows, do something else, and go on.
package TwinPrivacy::Protocol;

use strict;
use warnings FATAL => 'all';

use IO::Socket::UNIX;

# Connects as a role; the server must trust it.
sub new
{
	my ($class, $node, $database, $role) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port)
	  or die "cannot connect: $!";
	my $self = bless { socket => $socket }, $class;
	my $start = pack('N', 196608) . join("\0", user => $role, database => $database) . "\0\0";

	$socket->autoflush(1);
	print $socket pack('N', 4 + length $start) . $start;
	$self->answer;
	return $self;
}

# Reads so many bytes.
sub read_bytes
{
	my ($self, $length) = @_;
	my $bytes = '';

	while (length $bytes < $length)
	{
		$self->{socket}->read($bytes, $length - length $bytes, length $bytes) or die 'the server closed the connection';
	}
	return $bytes;
}

# Sends messages: pairs of type and content.
sub send_messages
{
	my ($self, @messages) = @_;
	my $out = '';

	while (my ($type, $content) = splice @messages, 0, 2)
	{
		$out .= $type . pack('N', 4 + length $content) . $content;
	}
	$self->{socket}->print($out);
	return;
}

# Reads until the server is ready: rows as their columns joined by |, errors as their SQLSTATE.
sub answer
{
	my ($self) = @_;
	my @lines;

	while (1)
	{
		my ($type, $length) = unpack 'aN', $self->read_bytes(5);
		my $content = $self->read_bytes($length - 4);

		return join(' ', @lines) if $type eq 'Z';
		push @lines, 'suspended' if $type eq 's';
		push @lines, $content =~ /(?:^|\0)C([^\0]+)/ if $type eq 'E';
		next unless $type eq 'D';
		my ($columns, $rest) = unpack 'n a*', $content;
		my @row;
		foreach (1 .. $columns)
		{
			my $size = unpack 'l>', substr $rest, 0, 4, '';
			push @row, $size < 0 ? '' : substr $rest, 0, $size, '';
		}
		push @lines, join '|', @row;
	}
}

# Runs SQL by the simple protocol.
sub query
{
	my ($self, $sql) = @_;

	$self->send_messages('Q', "$sql\0");
	return $self->answer;
}

# Opens a named portal and executes it for so many rows.
sub open_portal
{
	my ($self, $portal, $sql, $rows) = @_;

	$self->send_messages('P', "\0$sql\0" . pack('n', 0), 'B', "$portal\0\0" . pack('nnn', 0, 0, 0),
		'E', "$portal\0" . pack('N', $rows), 'S', '');
	return $self->answer;
}

# Executes it again for all that is left.
sub resume_portal
{
	my ($self, $portal) = @_;

	$self->send_messages('E', "$portal\0" . pack('N', 0), 'S', '');
	return $self->answer;
}

# Ends the connection.
sub close_connection
{
	my ($self) = @_;

	$self->send_messages('X', '');
	$self->{socket}->close;
	return;
}

1;
