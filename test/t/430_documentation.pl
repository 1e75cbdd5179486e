# Every SQL example of README.md and doc/ runs as it stands, and the reference
# names everything there is.
#
# An example is a block opened by ```sql as=ROLE and "-- as ROLE"; the blocks of a file are one story
# in a database of its own.  A statement whose line ends in "-- error: SQLSTATE" must
# fail with that state, every other must succeed.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $src = $ENV{TWIN_PRIVACY_SRC};
my $node = TwinPrivacy::Cluster->new_node('documentation');
my $roles = q{SELECT coalesce(string_agg(quote_ident(rolname), ', '), '') FROM pg_roles WHERE rolname !~ '^(pg_|twin_privacy_|postgres$)'};

# Splits a file into [role, sql, line]; fails for a block that names no role.
sub examples
{
	my ($file) = @_;
	my (@blocks, $block);
	my $line = 0;
	for (split /\n/, slurp_file($file))
	{
		$line++;
		if (/^```sql(.*)$/)
		{
			my ($role) = $1 =~ /^ as=(\w+)$/;
			ok(0, "$file:$line: the block says who runs it (```sql as=ROLE)") unless $role;
			$block = [ $role // 'postgres', '', $line ];
		}
		elsif ($block && /^```/)
		{
			# what stands behind the fence is not shown to a reader
			ok($block->[1] =~ /\A-- as \Q$block->[0]\E$/m, "$file:$block->[2]: and shows it in its first line");
			push @blocks, $block;
			undef $block;
		}
		elsif ($block)
		{
			$block->[1] .= "$_\n";
		}
	}
	return @blocks;
}

# Runs a block in one session and compares the errors with those announced.
sub run_example
{
	my ($database, $name, $role, $sql) = @_;
	my @expected = $sql =~ /-- error: (\w+)$/mg;
	my ($rc, $out, $err) = $node->psql(
		$database, "\\set VERBOSITY verbose\nSET client_min_messages = warning;\n$sql",
		on_error_stop => 0,
		extra_params => [ '-U', $role ]);
	my @got = $err =~ /(?:ERROR|FATAL):  (\w{5}):/g;
	is("@got", "@expected", "$name runs" . (@expected ? ' and fails as announced' : '')) or diag($err);
	return;
}

for my $file ("$src/README.md", sort glob "$src/doc/*.md")
{
	my ($name) = $file =~ m{([^/]+)\.md$};
	my @blocks = examples($file) or next;
	(my $database = lc "doc_$name") =~ s/\W/_/g;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION twin_privacy CASCADE');
	run_example($database, "$name.md:$_->[2]", $_->[0], $_->[1]) for @blocks;
	$node->safe_psql('postgres', "DROP DATABASE $database WITH (FORCE)");
	my $made = $node->safe_psql('postgres', $roles);
	$node->safe_psql('postgres', "DROP ROLE $made") if $made ne '';
}

my $reference = slurp_file("$src/doc/sql-reference.md");
for my $name (split /\n/, $node->safe_psql(
		'postgres', q{
		SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'twin_privacy'::regnamespace
		   AND 'internal'::regtype <> ALL (proargtypes)
		   AND NOT EXISTS (SELECT FROM pg_operator WHERE oprcode = pg_proc.oid OR oprrest = pg_proc.oid OR oprjoin = pg_proc.oid)
		   AND NOT EXISTS (SELECT FROM pg_amproc WHERE amproc = pg_proc.oid)
		   AND NOT EXISTS (SELECT FROM pg_cast WHERE castfunc = pg_proc.oid)
		   AND NOT EXISTS (SELECT FROM pg_type WHERE pg_proc.oid IN (typinput, typoutput, typreceive, typsend, typmodin, typmodout))
		UNION SELECT relname FROM pg_class WHERE relnamespace = 'twin_privacy'::regnamespace AND relkind IN ('r', 'v')
		UNION SELECT name FROM pg_settings WHERE name LIKE 'twin\_privacy.%'
		UNION SELECT typname FROM pg_type WHERE typnamespace = 'twin_privacy'::regnamespace AND typtype = 'b' AND typelem = 0
		ORDER BY 1}))
{
	ok($reference =~ /`\Q$name\E[`(]/, "the reference names $name");
}

# The table of settings says of each who sets it and what holds without.
my %who = (user => 'all', superuser => 'superuser', sighup => 'reload', postmaster => 'restart');
for (split /\n/, $node->safe_psql('postgres', q{SELECT name, context, boot_val, unit FROM pg_settings WHERE name LIKE 'twin\_privacy.%' ORDER BY 1}))
{
	my ($name, $context, $default, $unit) = split /\|/, $_, 4;
	my ($row) = grep { /^\|[^|]*`\Q$name\E`/ } split /\n/, $reference;
	my (undef, undef, $sets, $said) = map { s/^[\s`]+|[\s`]+$//gr } split /\|/, $row // '';
	is($sets, $who{$context}, "who sets $name");
	my ($number, $prefix) = $said =~ /^([\d.e-]+)(?: ([kM])B)?$/;
	$number *= 1024 if ($prefix // '') eq 'M' && $unit eq 'kB';
	ok(defined $number ? $number == $default : $said eq $default, "its default ($default$unit)") or diag($said);
}

# Every function that a page names exists, those of the article tables among them.
my %exists = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', q{
	SELECT proname FROM pg_proc WHERE pronamespace IN ('twin_privacy'::regnamespace, 'twin_privacy_internal'::regnamespace, 'pg_catalog'::regnamespace, 'public'::regnamespace)});
for my $file ("$src/README.md", sort glob "$src/doc/*.md")
{
	my ($name) = $file =~ m{([^/]+)\.md$};
	my %named = map { $_ => 1 } slurp_file($file) =~ /(?:`|twin_privacy\.)([a-z]\w+)\(/g;
	my @missing = grep { !$exists{$_} } sort keys %named;
	is("@missing", '', "$name.md names no function that does not exist");
}

$node->stop;
done_testing();
