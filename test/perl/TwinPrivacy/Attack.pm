# TwinPrivacy::Attack - runs attacks on a protected database and on its open twin.
#
# A file of attacks is SQL for psql, cut into units by comment lines:
#
#   --! attack NAME        begins a unit
#   --! as ROLE:USE ...    who tries it, under which use (none: unbound);
#                          otherwise the file's `--! everybody` line
#   --! canary REGEX       what must not come out, when not the use's own list
#   --! commit             not in a transaction that is rolled back
#   --! before, --! after  SQL of the superuser in maintenance, around each try
#   --! open ROLE:USE      who shows that it leaks in the open twin, before those of
#                          `as`; maintenance:none is the superuser in maintenance
#   --! body               ends before or after
#   --! since N            of servers from version N on
#   --! icu                of servers with collations of ICU's
#
# In the protected database no try may show a canary, in results, errors,
# notices or the server's log.  In the open twin at least one try must, or the
# attack could not fail.  No canary may stand in an attack's text: the server's
# log repeats it.
package TwinPrivacy::Attack;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

our $never = qr/CNRY|8675309|1944-06-06|770000000\d/;
our $identity = qr/$never|IDNT|1971-08-1\d|550000000\d/;
our %canaries = (none => $identity, RES => $identity, AGG => $identity, DP => $identity, CARE => $never, CARE2 => $never);

# Reads the units of a file.
sub read_units
{
	my ($file) = @_;
	my ($everybody, @units, $unit, $part);

	foreach my $line (split /^/, slurp_file($file))
	{
		if ($line =~ /^--! everybody (.*)/)
		{
			$everybody = $1;
		}
		elsif ($line =~ /^--! attack (\S+)$/)
		{
			push @units, $unit = { name => $1, as => $everybody, before => '', body => '', after => '' };
			$part = 'body';
		}
		elsif ($line =~ /^--! (as|canary|open|since) (.*)/)
		{
			$unit->{$1} = $2;
		}
		elsif ($line =~ /^--! (commit|icu)$/)
		{
			$unit->{$1} = 1;
		}
		elsif ($line =~ /^--! (before|after|body)$/)
		{
			$part = $1;
		}
		elsif ($line =~ /^--!/)
		{
			die "$file: cannot read: $line";
		}
		elsif ($unit)
		{
			$unit->{$part} .= $line;
		}
	}
	foreach my $u (@units)
	{
		die "$file: $u->{name}: a canary in the text\n"
		  if $u->{as} !~ /:ALL/ && $u->{body} =~ ($u->{canary} // $identity);
	}
	return @units;
}

# Runs SQL as psql does, everything it says in one string.
sub say_sql
{
	my ($node, $database, $role, $sql) = @_;
	my $out = '';
	my @command = (
		'psql', '-XAt', '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_ROLLBACK=on',
		'-d', $node->connstr($database) . " user=$role application_name=attack", '-f', '-');

	# what a try starts with \! finds the same database
	local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, $database);
	IPC::Run::run(\@command, '<', \$sql, '>&', \$out);
	return $out;
}

# Runs one try; returns what came out, the server's log included.
sub try_unit
{
	my ($node, $database, $unit, $who) = @_;
	my ($role, $use) = split /:/, $who;
	my $maintenance = "SET twin_privacy.maintenance = on; SET client_min_messages = warning;\n";
	my $bind = $use eq 'none' ? '' : "SET twin_privacy.use = '$use';\n";

	($role, $bind) = ('super', "SET twin_privacy.maintenance = on;\n") if $role eq 'maintenance';
	my $body = $unit->{commit} ? $unit->{body} : "BEGIN;\n$unit->{body}\n;ROLLBACK;\n";
	my ($out, $trouble, $offset) = ('', '', 0);

	$trouble .= say_sql($node, $database, 'postgres', $maintenance . $unit->{before})
	  if $unit->{before} ne '';
	$offset = -s $node->logfile;
	$out = say_sql($node, $database, "att_$role", $bind . $body);
	$out .= slurp_file($node->logfile, $offset);
	$trouble .= say_sql($node, $database, 'postgres', $maintenance . $unit->{after})
	  if $unit->{after} ne '';
	diag("$unit->{name} ($who): $trouble") if $trouble =~ /ERROR|FATAL/;
	return $out;
}

# The lines of an output in which a canary sings.
sub canary_lines
{
	my ($out, $canary) = @_;

	return grep { /$canary/ } split /\n/, $out;
}

# Tests every unit of a file: closed in one database, leaking in the other.
sub test_file
{
	my ($node, $file) = @_;
	my $icu = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_collation WHERE collprovider = 'i'});

	foreach my $unit (read_units($file))
	{
		my @leaks;
		my @who = split ' ', $unit->{as};
		my $seen = 0;

		next if $ENV{ATTACK} && $unit->{name} !~ /$ENV{ATTACK}/;
		next if $node->pg_version < ($unit->{since} // 15) || ($unit->{icu} && !$icu);
		foreach my $who (@who)
		{
			my (undef, $use) = split /:/, $who;
			my $canary = $unit->{canary} // $canaries{$use};
			my $out = try_unit($node, 'closed', $unit, $who);
			my @lines = canary_lines($out, $canary);

			push @leaks, map { "$who: " . substr($_, 0, 200) } @lines[0 .. ($#lines > 3 ? 3 : $#lines)];
			diag("$unit->{name} $who\n$out") if $ENV{ATTACK_SHOW};
			push @leaks, "$who: the server crashed" if $out =~ /server closed the connection|PANIC|TRAP/;
		}
		is(join("\n", @leaks), '', "$unit->{name}: nothing leaks");
		foreach my $who ($unit->{open} // (), @who)
		{
			my (undef, $use) = split /:/, $who;
			my $out = try_unit($node, 'open', $unit, $who);

			last if $seen = canary_lines($out, $unit->{canary} // $canaries{$use});
			diag("$unit->{name} $who in the open twin:\n$out") if $ENV{ATTACK_SHOW};
		}
		ok($seen, "$unit->{name}: leaks where nothing is protected");
	}
}

# Tests that every unit of a file says the same protected, under the use ALL, as
# it does where nothing is protected.
sub test_same
{
	my ($node, $file) = @_;

	foreach my $unit (read_units($file))
	{
		next if $ENV{ATTACK} && $unit->{name} !~ /$ENV{ATTACK}/;
		foreach my $who (split ' ', $unit->{as})
		{
			my @out = map { try_unit($node, $_, $unit, $who) } ('closed', 'open');

			# row security takes the values out of error details; the log repeats them
			s/^(\d{4}-\d\d-\d\d .* attack |DETAIL:  |LOCATION:  ).*\n//mg foreach @out;
			is($out[0], $out[1], "$unit->{name}: the same as unprotected ($who)");
		}
	}
}

# Fills the two databases of a node.
sub set_up
{
	my ($node, $dir) = @_;

	$node->safe_psql('postgres', slurp_file("$dir/roles.sql"));
	foreach my $database ('closed', 'open')
	{
		$node->safe_psql('postgres', "CREATE DATABASE $database");
		$node->command_ok(
			[ 'psql', '-XAtq', '-d', $node->connstr($database), '-f', "$dir/setup.sql",
			  '-v', 'protect=' . ($database eq 'closed' ? 'on' : 'off') ],
			"set up the $database database");
	}
}

1;
