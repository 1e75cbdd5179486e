# Lint::Sql - rules for the install script's parts.
package Lint::Sql;

use strict;
use warnings FATAL => 'all';

# Replaces comments by blanks; lines stay.
sub blank
{
	my ($text) = @_;
	$text =~ s{('(?:[^']|'')*')|(--[^\n]*|/\*.*?\*/)}{
		my ($string, $comment) = ($1, $2);
		if (defined $comment) { $comment =~ s/[^\n]/ /g }
		$string // $comment;
	}gsex;
	return $text;
}

# Runs every rule on the parts; rights and comments may stand in another part.
sub check
{
	my ($files, $report) = @_;
	my %text = map { $_ => Lint::Tree::slurp($_) } @$files;
	my %code = map { $_ => blank($text{$_}) } @$files;
	my $all = join "\n", values %code;
	my %revoked = map { $_ => 1 } names_in($all, qr/\bREVOKE\b[^;]*?\bON\s+(?:FUNCTION|PROCEDURE|ROUTINE)\s+([^;]*?)\s+FROM\s+PUBLIC/is);
	my %for_all = map { lc($_) => 1 }
	  $all =~ m{\bCOMMENT\s+ON\s+(?:FUNCTION|PROCEDURE)\s+(twin_privacy\.\w+)[^;']*'(?:[^']|'')*\(all\)}gi;
	my %commented = map { lc($_) => 1 } $all =~ m{\bCOMMENT\s+ON\s+\w+(?:\s+VIEW)?\s+(twin_privacy\.\w+)}gi;

	for my $file (@$files)
	{
		my $code = $code{$file};
		while ($code =~ m{\bCREATE\s+OR\s+REPLACE\b}gi)
		{
			$report->($file, Lint::C::line_at($code, $-[0]), 'sql-replace',
				'OR REPLACE would adopt an object that someone planted');
		}
		while ($code =~ m{\bCREATE\s+(?:UNLOGGED\s+)?(FUNCTION|PROCEDURE|AGGREGATE|VIEW|TYPE|TABLE|DOMAIN)\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w."]+)}gi)
		{
			my ($kind, $name, $line) = (uc $1, lc $2, Lint::C::line_at($code, $-[0]));
			$report->($file, $line, 'sql-names', "$name is not qualified") if $name !~ m{\.};
			next if $name !~ m{^twin_privacy\.};
			$report->($file, $line, 'sql-comment', "no COMMENT ON $name") if !$commented{$name};
			next if $kind !~ m{FUNCTION|PROCEDURE};
			$report->($file, $line, 'sql-rights', "neither REVOKE ... FROM PUBLIC nor \"(all)\" in its comment for $name")
			  if !$revoked{$name} && !$for_all{$name} && !above($text{$file}, $line, qr/\(all\)/);
		}
	}
}

# The function names in the lists that a pattern captures.
sub names_in
{
	my ($text, $pattern) = @_;
	return map { lc } map { /([\w]+\.[\w]+)\s*(?=\()/g } $text =~ m{$pattern}g;
}

# True when the comment lines directly above a line match.
sub above
{
	my ($text, $line, $pattern) = @_;
	my @line = split /\n/, $text;
	for (my $i = $line - 2; $i >= 0 && $line[$i] =~ m{^\s*(?:--|/\*|\*|.*\*/\s*$)}; $i--)
	{
		return 1 if $line[$i] =~ $pattern;
	}
	return 0;
}

1;
