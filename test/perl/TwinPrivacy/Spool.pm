# TwinPrivacy::Spool - the ledger's segment files as a test sees (and edits) them,
# written from the description of the format, not from the server's code.
package TwinPrivacy::Spool;

use strict;
use warnings FATAL => 'all';

our $start = 256;
our $header = 80;

# Finds the one node directory of a server that has only one.
sub directory
{
	my ($node) = @_;
	my @nodes = glob($node->data_dir . '/pg_twin_privacy/node-*');
	die "found @nodes" if @nodes != 1;
	return $nodes[0];
}

# Lists the segment files, oldest first.
sub segments
{
	my ($directory) = @_;
	my @segments = sort glob("$directory/*.seg");
	return @segments;
}

# Reads a whole file.
sub slurp
{
	my ($path) = @_;
	open my $fh, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar <$fh>;
}

# Overwrites bytes of a file in place, as somebody with its rights would.
sub poke
{
	my ($path, $offset, $bytes) = @_;
	open my $fh, '+<:raw', $path or die "$path: $!";
	seek $fh, $offset, 0 or die $!;
	print {$fh} $bytes or die $!;
	close $fh or die $!;
	return;
}

# Lists the records of a segment's bytes: offset, length with padding, seq, type.
sub records
{
	my ($bytes) = @_;
	my @records;
	for (my $at = $start; $at + $header <= length $bytes;)
	{
		my ($magic, $length, $seq) = unpack 'L<L<Q<', substr $bytes, $at, 16;
		last if $magic != 0x52505754;
		my $type = unpack 'S<', substr $bytes, $at + 44, 2;
		my $padded = ($length + 7) & ~7;
		push @records, { at => $at, length => $length, padded => $padded, seq => $seq, type => $type };
		$at += $padded;
	}
	return @records;
}

1;
