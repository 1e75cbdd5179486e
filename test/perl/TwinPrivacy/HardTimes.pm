# TwinPrivacy::HardTimes - sets the clock of a test's server, and fills its disk,
# through the library of test/modules/hard_times: nothing else on the machine notices.
package TwinPrivacy::HardTimes;

use strict;
use warnings FATAL => 'all';

# Makes what a server is started with: file of orders, directory whose disk fills (or none).
sub new
{
	my ($class, $file, $disk) = @_;
	my ($lib) = map { chomp; $_ } `pg_config --pkglibdir`;
	my $self = bless { file => $file, library => "$lib/hard_times.so", disk => $disk }, $class;

	die "$self->{library} is missing" unless -e $self->{library};
	$self->order(0, 0);
	return $self;
}

# Changes the server's world from now on: seconds its clock is off, whether the disk is full.
sub order
{
	my ($self, $seconds, $full) = @_;

	# In place and at one go: the server has the file mapped.
	open my $fh, -e $self->{file} ? '+<' : '>', $self->{file} or die $!;
	syswrite $fh, pack('A63 x', "$seconds $full") or die $!;
	close $fh or die $!;
	return;
}

# Starts a node in it.
sub start
{
	my ($self, $node) = @_;
	# a sanitizer's runtime must be the first
	local $ENV{LD_PRELOAD} = join ':', grep { defined } $ENV{TWIN_PRIVACY_PRELOAD}, $self->{library};
	local $ENV{HARD_TIMES} = $self->{file};
	local $ENV{HARD_TIMES_DISK} = $self->{disk};

	delete local $ENV{HARD_TIMES_DISK} unless defined $self->{disk};
	$node->start;
	return;
}

1;
