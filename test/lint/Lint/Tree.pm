# Lint::Tree - rules for the tree as a whole: floors table, listed tests,
# versions, marks of unfinished work, paths of a machine, shell scripts.
package Lint::Tree;

use strict;
use warnings FATAL => 'all';

# Reads a whole file.
sub slurp
{
	my ($file) = @_;
	open my $handle, '<', $file or die "lint: $file: $!\n";
	local $/;
	my $text = <$handle>;
	return $text // '';
}

# The files of the tree that are ours to check; build products are left out.
sub files
{
	my @files;
	my @todo = ('.');
	while (defined(my $dir = shift @todo))
	{
		opendir my $handle, $dir or next;
		for my $entry (sort readdir $handle)
		{
			next if $entry =~ m{^\.{1,2}$|^\.git$|^tmp_|^(?:results|output_iso|log)$};
			next if $entry =~ m{\.(?:o|so|bc|d|out|gz|png|csv|deb)$|^twin_privacy--.*\.sql$};
			my $path = $dir eq '.' ? $entry : "$dir/$entry";
			if (-l $path) { next }
			elsif (-d $path) { push @todo, $path }
			else { push @files, $path }
		}
	}
	return @files;
}

# Reads the floors table and compares it with the Makefile and the folders.
sub floors
{
	my ($report) = @_;
	my (%floor, @order);
	for my $line (split /\n/, slurp('test/lint/floors'))
	{
		next if $line =~ m{^\s*(?:#|$)};
		my ($number, @room) = split ' ', $line;
		@floor{@room} = ($number) x @room;
		push @order, @room;
	}
	(my $makefile = slurp('Makefile')) =~ s/\\\n/ /g;
	my ($rooms) = $makefile =~ m{^ROOMS\s*=\s*(.*)$}m;
	$report->('Makefile', 1, 'rooms', 'ROOMS and test/lint/floors do not list the same rooms in the same order')
	  if join(' ', @order) ne join(' ', split ' ', $rooms // '');
	for my $dir (grep { -d } glob 'src/*')
	{
		my ($room) = $dir =~ m{/(.*)};
		$report->($dir, 0, 'rooms', 'a folder that is no room')
		  if !exists $floor{$room} && $room ne 'install';
	}
	return %floor;
}

# Runs the rules that look at more than one file.
sub check
{
	my ($files, $report) = @_;
	check_listed($files, $report);
	check_versions($report);
	check_marks($files, $report);
	check_scripts($files, $report);
}

# Every test is listed, and what is listed is there.
sub check_listed
{
	my ($files, $report) = @_;
	my $schedule = slurp('test/schedule.mk');
	my %is = map { $_ => 1 } @$files;
	my @kinds = (
		[ 'REGRESS', qr{^sql/(.*)\.sql$}, sub { ("sql/$_[0].sql", "expected/$_[0].out") } ],
		[ 'ISOLATION', qr{^test/isolation/specs/(.*)\.spec$},
			sub { ("test/isolation/specs/$_[0].spec", "test/isolation/expected/$_[0].out") } ],
		[ 'TAP', qr{^(test/t/.*\.pl)$}, sub { ($_[0]) } ]);

	for my $kind (@kinds)
	{
		my ($variable, $pattern, $paths) = @$kind;
		my %listed;
		$listed{$_}++ for $schedule =~ m{^$variable \+= (\S+)\n}mg;
		for my $name (sort keys %listed)
		{
			for my $path ($paths->($name))
			{
				$report->('test/schedule.mk', 0, 'tests-listed', "$path is not there") if !-e $path;
			}
			$report->('test/schedule.mk', 0, 'tests-listed', "$name is listed twice") if $listed{$name} > 1;
		}
		for my $file (grep { $_ =~ $pattern } @$files)
		{
			my ($name) = $file =~ $pattern;
			$report->($file, 0, 'tests-listed', "not listed in test/schedule.mk as $variable += $name")
			  if !$listed{$name};
		}
	}
	for my $out (glob('expected/*.out'), glob('test/isolation/expected/*.out'))
	{
		my ($base, $name) = $out =~ m{^(.*?)expected/(.*)\.out$};
		my $source = $base ? "${base}specs/$name.spec" : "sql/$name.sql";
		$report->($out, 0, 'tests-listed', "no test $source has this output") if !-e $source;
	}
}

# The control file's version is everybody's version.
sub check_versions
{
	my ($report) = @_;
	my ($version) = slurp('twin_privacy.control') =~ m{^default_version\s*=\s*'([^']+)'}m;
	if (-e 'META.json')
	{
		(my $meta = slurp('META.json')) =~ s!"meta-spec"\s*:\s*\{[^}]*\}!!s;
		for my $other ($meta =~ m{^\s*"version"\s*:\s*"([^"]+)"}mg)
		{
			$report->('META.json', 0, 'versions-equal', "version $other, the control file has $version")
			  if $other ne $version;
		}
	}
	if (-e 'CHANGELOG.md')
	{
		my ($head) = slurp('CHANGELOG.md') =~ m{^## (\S+)}m;
		$report->('CHANGELOG.md', 0, 'versions-equal', "newest entry $head, the control file has $version")
		  if ($head // 'none') ne $version;
	}
}

# No marks of unfinished work, no paths of a machine, no trailing blanks.
sub check_marks
{
	my ($files, $report) = @_;
	my $mark = join '|', map { join '', @$_ } [ 'TO', 'DO' ], [ 'FIX', 'ME' ], [ 'XX', 'X' ];
	my $folder = join '|', map { join '', @$_ } [ 'wo', 'rk' ], [ 'ro', 'ot' ], [ 'ho', 'me' ];
	for my $file (@$files)
	{
		next if -B $file;
		my $number = 0;
		for my $line (split /\n/, slurp($file))
		{
			$number++;
			# mktemp's pattern is a longer run of the same letter
			$report->($file, $number, 'unfinished', "\"$1\": finish it or file it")
			  if $line =~ m{(?<![A-Za-z])($mark)(?![A-Za-z-])};
			$report->($file, $number, 'paths', "a path of some machine: $1")
			  if $line =~ m{(?:^|[\s"'=:(])(/(?:$folder)/\S*)} || $line =~ m{\b((?:deb|registry)\.[a-z]+\.org)};
			$report->($file, $number, 'style', 'trailing blanks')
			  if $line =~ m{[ \t]$} && $file =~ m{\.(?:c|h|pl|pm|sh|mk)$|^test/harness/};
		}
	}
}

# Shell scripts pass shellcheck (where it is installed) and say what they are.
sub check_scripts
{
	my ($files, $report) = @_;
	my @scripts = grep { !-B $_ && slurp($_) =~ m{\A#!.*\bbash\b|\A# shellcheck shell=bash} } @$files;
	return if !@scripts;
	for my $script (@scripts)
	{
		$report->($script, 1, 'style', 'a bash script sets -euo pipefail')
		  if slurp($script) =~ m{\A#!} && slurp($script) !~ m{^set -euo pipefail$}m;
	}
	return if system('command -v shellcheck >/dev/null 2>&1') != 0;
	for my $line (split /\n/, `shellcheck -x -f gcc @scripts 2>&1`)
	{
		$report->($1, $2, 'shellcheck', $3) if $line =~ m{^(\S+?):(\d+):\d+: (.*)};
	}
}

1;
