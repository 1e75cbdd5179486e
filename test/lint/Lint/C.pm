# Lint::C - rules for C sources: floors, hooks, versions, names, comments,
# lengths, error reports, exported symbols.
package Lint::C;

use strict;
use warnings FATAL => 'all';

my $max_file_lines = 600;
my $max_function_lines = 100;
my $advised_function_lines = 60;

# Replaces comments (and, asked to, string contents) by blanks; lines stay.
sub blank
{
	my ($text, $strings_too) = @_;
	$text =~ s{
		(?<comment> /\*.*?\*/ | //[^\n]* )
		| (?<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
	}{
		my $found = defined $+{comment} ? $+{comment} : $+{string};
		if (defined $+{comment}) { $found =~ s/[^\n]/ /g }
		elsif ($strings_too) { $found =~ s/(?<=.)[^\n](?=.)/ /gs }
		$found;
	}gsex;
	return $text;
}

# The number of the line at an offset.
sub line_at
{
	my ($text, $offset) = @_;
	return 1 + (substr($text, 0, $offset) =~ tr/\n//);
}

# Runs every rule on one source file.
sub check
{
	my ($file, $floor, $report) = @_;
	my $text = Lint::Tree::slurp($file);
	my $code = blank($text);
	my $bare = blank($text, 1);

	check_includes($file, $text, $floor, $report);
	check_globals($file, $bare, $report);
	check_functions($file, $text, $bare, $report);
	check_reports($file, $code, $report);
	my $lines = $text =~ tr/\n//;
	$report->($file, $lines, 'length', "$lines lines, at most $max_file_lines")
	  if $lines > $max_file_lines;
	$report->($file, 1, 'comment', 'the file does not open with a comment saying what it is for')
	  if $text !~ m{\A/\*\n \* \w};
	(my $plain = $text) =~ s{(/\*.*?\*/|"(?:[^"\\\n]|\\.)*")}{my $gone = $1; $gone =~ s/[^\n]/ /g; $gone}gse;
	$report->($file, line_at($plain, $-[0]), 'style', 'a // comment') if $plain =~ m{//};
}

# Floors, private headers, order of includes.
sub check_includes
{
	my ($file, $text, $floor, $report) = @_;
	my ($room) = $file =~ m{^src/([^/]+)/};
	my $number = 0;
	my $previous;

	for my $line (split /\n/, $text)
	{
		$number++;
		if ($line !~ m{^\s*#\s*include\s+"([^"]+)"})
		{
			$previous = undef;
			next;
		}
		my $header = $1;
		$report->($file, $number, 'includes', "\"$header\" is not in alphabetical order")
		  if defined $previous && $header lt $previous;
		$previous = $header eq 'postgres.h' ? undef : $header;
		my ($other, $base) = $header =~ m{^([^/]+)/([^/]+)$};
		if (!defined $other)
		{
			$report->($file, $number, 'includes', "write \"room/$header\"")
			  if -e dirname_of($file) . "/$header";
			next;
		}
		next if !exists $floor->{$other} || !-e "src/$header";
		$report->($file, $number, 'private-header', "$header belongs to $other alone")
		  if $base =~ /_internal\.h$/ && (!defined $room || $other ne $room);
		next if !defined $room || $other eq $room;
		$report->($file, $number, 'floors',
			"$room (floor $floor->{$room}) may not include $header (floor $floor->{$other})")
		  if exists $floor->{$room} && $floor->{$other} >= $floor->{$room};
	}
}

# The directory of a path.
sub dirname_of
{
	my ($path) = @_;
	$path =~ s{/[^/]*$}{};
	return $path;
}

# Hook variables and version numbers have one home each.
sub check_globals
{
	my ($file, $bare, $report) = @_;
	while ($bare =~ m{\b(\w+_hook(?:_permissive|_restrictive)?)\s*=(?!=)}g)
	{
		$report->($file, line_at($bare, $-[0]), 'hooks', "$1 is set outside src/hooks")
		  if $file !~ m{^src/hooks/};
	}
	while ($bare =~ m{\bPG_(?:VERSION_NUM|MAJORVERSION\w*)\b([^\n]*)}g)
	{
		my ($line, $rest) = (line_at($bare, $-[0]), $1);
		$report->($file, $line, 'version', 'PostgreSQL versions are known to base/compat.h alone')
		  if $file ne 'src/base/compat.h';
		# Branches by "from major N on": then 16, between two tested versions, takes
		# a path that one of them has compiled.
		$report->($file, $line, 'version', 'compare with >= or < and a whole major version')
		  if $rest !~ m{^\s*(?:>=|<)\s*1[5-9]0000\b};
	}
}

# Names, leading comments and lengths of function definitions.
sub check_functions
{
	my ($file, $text, $bare, $report) = @_;
	my @line = split /\n/, $bare, -1;
	my @source = split /\n/, $text, -1;

	for my $i (1 .. $#line)
	{
		next if $line[$i] !~ m{^(\w+)\s*\(} || $line[$i] =~ m{;\s*$};
		my $name = $1;
		my $open = $i;
		$open++ while $open < $#line && $line[$open] !~ m{^\{|;\s*$};
		next if $line[$open] !~ m{^\{} || $line[ $i - 1 ] !~ m{\w[\w\s*]*$};
		my $end = $open;
		$end++ while $end < $#line && $line[$end] !~ m{^\}};
		my $length = $end - $i + 1;
		my $static = $line[ $i - 1 ] =~ m{\bstatic\b};

		$report->($file, $i + 1, 'length', "$name has $length lines, at most $max_function_lines")
		  if $length > $max_function_lines;
		$report->($file, $i + 1, 'advice-length', "$name has $length lines, better under $advised_function_lines")
		  if $length > $advised_function_lines && $length <= $max_function_lines;
		$report->($file, $i + 1, 'prefix', "$name is not static and does not begin with twp_")
		  if !$static && $name !~ m{^(?:twp_|_PG_init$)};
		$report->($file, $i + 1, 'prefix', "$name is static and begins with twp_")
		  if $static && $name =~ m{^twp_} && $file !~ m{\.h$};
		my $above = $i - 2;
		$above--
		  while $above >= 0 && ($source[$above] =~ m{^\s*$} || $source[$above] =~ m{^(?:PG|TWP)_FUNCTION_INFO_V1\b});
		$report->($file, $i + 1, 'comment', "$name has no comment before it")
		  if $above < 0 || $source[$above] !~ m{\*/\s*$};
	}
	if ($bare =~ m{^PG_FUNCTION_INFO_V1}m && $text !~ m{#include "base/compat\.h"})
	{
		$report->($file, line_at($bare, $-[0]), 'symbols',
			'include base/compat.h: on 15 it exports the functions');
	}
}

# Every error has an SQLSTATE and a message in the server's style.
sub check_reports
{
	my ($file, $code, $report) = @_;
	while ($code =~ m{\b(?:ereport|ereturn|ereport_domain)\s*(?<args>\((?:[^()"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?&args))*\))}g)
	{
		my ($start, $args) = ($-[0], $+{args});
		my $line = line_at($code, $start);
		$report->($file, $line, 'errcode', 'an error without errcode')
		  if $args =~ m{^\(\s*(?:ERROR|FATAL|PANIC|\w*elevel)\b} && $args !~ m{\berrcode};
		$report->($file, $line, 'message', "primary messages begin in lower case: \"$1\"")
		  if $args =~ m{\berrmsg(?:_internal)?\(\s*"([A-Z][a-z][^"]*)"};
		$report->($file, $line, 'message', "primary messages end without a full stop: \"$1\"")
		  if $args =~ m{\berrmsg(?:_internal)?\(\s*"((?:[^"\\]|\\.)*[^.]\.)"};
		while ($args =~ m{\berr(?:hint|detail)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)}g)
		{
			(my $whole = $1) =~ s/"\s*"//g;
			$whole =~ s/^"|"\s*$//g;
			$report->($file, $line, 'message', "details and hints are sentences: \"$whole\"")
			  if $whole =~ m{^[a-z]} || $whole !~ m{(?:[.?]|%s)$};
		}
	}
}

# The library exports what the server looks up and nothing else.
sub check_symbols
{
	my ($library, $report) = @_;
	return if !-e $library;
	my $nm = $ENV{NM} // 'nm';
	my %symbol = map { $_ => 1 } map { /\s[A-TV-Z]\s(\S+)$/ ? $1 : () } `$nm -D --defined-only $library`;
	for my $name (sort keys %symbol)
	{
		next if $name =~ m{^(?:_PG_init|Pg_magic_func|pg_finfo_twp_\w+|twp_\w+_worker_main)$};
		next if $name =~ m{^twp_} && $symbol{"pg_finfo_$name"};
		$report->($library, 0, 'symbols', "exports $name");
	}
}

1;
