#!/usr/bin/env perl
# chart.pl - draws the figures of the consent map from what "make bench" printed.
#
#   make bench BENCH='core consent growth' BENCH_SCALE=full >bench.out
#   test/bench/chart.pl 'subtitle' <bench.out >doc/consent-cost.svg
use strict;
use warnings FATAL => 'all';

# Bars: name in the bench's output, what the reader is told.
my @BARS = (
	[ aggregate => 'grouped aggregate, bigint' ],
	[ scan => 'scan with a sum, bigint' ],
	[ count => 'count(*), bigint' ],
	[ join => 'join and grouping, bigint' ],
	[ lookup => 'last 100 rows of a patient, bigint' ],
	[ aggregate_uuid => 'grouped aggregate, uuid' ],
	[ count_uuid => 'count(*), uuid' ],
	[ join_uuid => 'join and grouping, uuid' ],
	[ lookup_uuid => 'last 100 rows of a patient, uuid' ],
	[ aggregate_uuid_parallel => 'grouped aggregate, uuid, parallel' ],
	[ count_uuid_parallel => 'count(*), uuid, parallel' ],
	[ aggregate_uuid_all => 'grouped aggregate, all permit' ],
	[ aggregate_uuid_few => 'grouped aggregate, 1 % permit' ],
	[ count_uuid_few => 'count(*), 1 % permit' ]);

my ($LEFT, $WIDTH, $ROW, $TOP) = (250, 380, 24, 76);
my $PER_RATIO = $WIDTH / 2;    # pixels for a ratio of 1

# Reads "bench NAME ratio=R target=T".
sub read_figures
{
	my %figure;
	while (my $line = <STDIN>)
	{
		$figure{$1} = { ratio => $2, target => $3 }
			if $line =~ /^bench (\w+) ratio=([\d.]+) target=[<>]=([\d.]+)/;
	}
	return \%figure;
}

# Writes text at a place.
sub text
{
	my ($x, $y, $what, %with) = @_;
	$what =~ s/&/&amp;/g;
	$what =~ s/</&lt;/g;
	my $more = join '', map { qq( $_="$with{$_}") } sort keys %with;
	printf qq(<text x="%.1f" y="%.1f"%s>%s</text>\n), $x, $y, $more, $what;
	return;
}

# Draws one bar with the mark of its target.
sub bar
{
	my ($y, $label, $figure) = @_;
	my $end = $LEFT + $figure->{ratio} * $PER_RATIO;
	my $mark = $LEFT + $figure->{target} * $PER_RATIO;
	text($LEFT - 8, $y + 14, $label, 'text-anchor' => 'end');
	printf qq(<rect x="%d" y="%.1f" width="%.1f" height="15" fill="%s"/>\n), $LEFT, $y + 2, $end - $LEFT,
		$figure->{ratio} <= $figure->{target} ? '#2f7f79' : '#b5542c';
	printf qq(<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#222" stroke-width="2"/>\n),
		$mark, $y - 1, $mark, $y + 20;
	text(($end > $mark ? $end : $mark) + 6, $y + 14, $figure->{ratio}, fill => '#444');
	return;
}

# Writes how a figure grows with the population.
sub growth
{
	my ($y, $figure) = @_;
	my @sizes = sort { $a <=> $b } map { /^growth_count_(\d+)$/ ? $1 : () } keys %$figure;
	my @rows = (
		[ count => 'count(*), times unprotected' ],
		[ build => 'building the map, s' ],
		[ bytes => 'shared memory, bytes a patient' ],
		[ catch_up => 'catching up with 1,000 changed, ms' ]);
	my $column = @sizes ? $WIDTH / @sizes : 0;
	text($LEFT - 8, $y, 'patients', 'text-anchor' => 'end', 'font-weight' => 'bold');
	for my $i (0 .. $#sizes)
	{
		my $x = $LEFT + ($i + 1) * $column - 20;
		(my $size = reverse $sizes[$i]) =~ s/(\d{3})(?=\d)/$1,/g;
		text($x, $y, scalar reverse($size), 'text-anchor' => 'end', 'font-weight' => 'bold');
		for my $n (0 .. $#rows)
		{
			my $one = $figure->{"growth_$rows[$n][0]_$sizes[$i]"} or next;
			text($x, $y + ($n + 1) * $ROW, $one->{ratio}, 'text-anchor' => 'end');
		}
	}
	text($LEFT - 8, $y + ($_ + 1) * $ROW, $rows[$_][1], 'text-anchor' => 'end') for 0 .. $#rows;
	return;
}

my $figure = read_figures();
my @bars = grep { exists $figure->{ $_->[0] } } @BARS;
die "chart.pl: no figures on standard input\n" unless @bars;
my $bottom = $TOP + @bars * $ROW;
printf qq(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#222">\n),
	$LEFT + $WIDTH + 60, $bottom + 190;
printf qq(<rect width="100%%" height="100%%" fill="#fff"/>\n);
text(12, 22, 'What asking everybody\'s consent costs: time against the same query unprotected', 'font-size' => 15);
text(12, 42, $ARGV[0] // '', fill => '#444');
for my $ratio (0, 0.5, 1, 1.5, 2)
{
	my $x = $LEFT + $ratio * $PER_RATIO;
	printf qq(<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s"/>\n), $x, $TOP - 6, $x, $bottom,
		$ratio == 1 ? '#666' : '#ddd';
	text($x, $TOP - 10, $ratio, 'text-anchor' => 'middle', fill => '#666');
}
bar($TOP + $_ * $ROW, $bars[$_][1], $figure->{ $bars[$_][0] }) for 0 .. $#bars;
text($LEFT, $bottom + 18, 'bar: measured; stroke: target, at most', fill => '#666');
growth($bottom + 56, $figure);
print "</svg>\n";
