# The engine agrees with the reference evaluator of test/model on every row and
# cell of every small world, and in what it refuses.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $model = "$ENV{TWIN_PRIVACY_SRC}/test/model";
my $node = TwinPrivacy::Cluster->new_node('model');
my @categories = qw(sensitive mental_health laboratory twin_state simulation prediction);
my $cells = 'id, labels, v_own, v_redact, v_band, v_sensitive, v_unmasked, v_unlabelled';

# Runs a file as the superuser.
sub run_file
{
	my ($file) = @_;
	my ($rc, $out, $err) =
	  $node->psql('postgres', slurp_file($file), on_error_die => 0, on_error_stop => 1);
	is($rc, 0, "$file runs") or BAIL_OUT($err);
	return;
}

# Runs SQL as the reader under a use; gives output and error.
sub read_as
{
	my ($use, $sql) = @_;
	my ($rc, $out, $err) = $node->psql(
		'postgres', "\\set VERBOSITY verbose\nSET twin_privacy.use = '$use';\n$sql",
		on_error_stop => 0,
		extra_params => [ '-U', 'model_reader' ]);
	return ($out, $err);
}

# The rows the engine and the reference do not share, for the eye.
sub show_difference
{
	my ($use, $category) = @_;
	my ($seen) = read_as($use, "SELECT ROW($cells) FROM world.$category ORDER BY id");
	my $subject = $node->safe_psql('postgres',
		"SELECT array_agg(ROW(o.subject, o.open, d.n, d.decision, d.purpose, d.categories, d.recipients, d.valid, d.withdrawn) ORDER BY d.subject) FROM (SELECT * FROM model.opened WHERE use = '$use' ORDER BY subject LIMIT 20) o LEFT JOIN model.directive d USING (subject)");
	diag("first rows seen:\n" . join("\n", (split(/\n/, $seen))[ 0 .. 9 ]));
	diag("first worlds: $subject");
	return;
}

run_file("$model/reference.sql");
run_file("$model/engine.sql");
run_file("$model/lineage.sql");

my $worlds = $node->safe_psql('postgres', 'SELECT count(*) FROM model.world');
cmp_ok($worlds, '>', 4000, 'there are thousands of worlds');

# The decision function, one subject at a time.
is( $node->safe_psql(
		'postgres', q{
		SELECT count(*) FILTER (WHERE twin_privacy.decide(subject::text, purpose, category, 'ours') IS DISTINCT FROM decision),
		       count(*) > 5000 FROM model.decided WHERE subject % 7 = 3}),
	'0|t',
	'decide() agrees with the reference');

# Rows and cells, as one digest for each use and table.
my ($wrong, $compared, $refused) = (0, 0, 0);
for my $use (split /\n/, $node->safe_psql('postgres', 'SELECT code FROM model.use ORDER BY length(code), code'))
{
	my $what = $node->safe_psql('postgres',
		"SELECT concat_ws(' ', purpose, form, categories, basis, CASE WHEN overrides_deny THEN 'overriding' END) FROM model.use WHERE code = '$use'");
	for my $category (@categories)
	{
		my $expected = $node->safe_psql('postgres',
			"SELECT n || ' ' || digest FROM model.expected('$use', '$category')");
		my ($seen, $err) = read_as($use,
			"SELECT count(*) || ' ' || md5(coalesce(string_agg(ROW($cells)::text, E'\\n' ORDER BY id), '')) FROM world.$category");
		$compared++;
		if ($expected eq '')
		{
			$refused++;
			next if $err =~ /ERROR:  TP003:/ && $seen eq '';
			diag("$use ($what) must be refused table $category: $seen $err");
			$wrong++;
		}
		elsif ($seen ne $expected)
		{
			diag("$use ($what), table $category: expected $expected, seen $seen $err");
			show_difference($use, $category) unless $wrong++;
		}
	}
}
cmp_ok($compared, '>=', 270, "$compared pairs of use and table compared");
cmp_ok($refused, '>', 0, "$refused of them refused");
is($wrong, 0, 'rows and cells agree with the reference');

# Rows made from rows, three steps deep: by single look-ups and by the graph of all.
my ($different, $seen_rows, $hidden_rows) = (0, 0, 0);
for my $use (split /\n/, $node->safe_psql('postgres', "SELECT code FROM model.use WHERE 'prediction' = ANY (categories) ORDER BY code"))
{
	for my $level (1 .. 3)
	{
		my $expected = $node->safe_psql('postgres', "SELECT model.expected_made('$use', $level)");
		my $sql = "SELECT count(*) || ' ' || coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM world.made_$level;";
		my ($seen, $err) = read_as($use, "SET twin_privacy.provenance_threshold = 1000000;\n$sql\nSET twin_privacy.provenance_threshold = 0;\n$sql\nSET enable_seqscan = off;\n$sql");

		$seen_rows += (split / /, $expected)[0];
		$hidden_rows += 400 - (split / /, $expected)[0];
		next if $seen eq "$expected\n$expected\n$expected";
		diag("$use, level $level: expected $expected, seen $seen $err") unless $different++;
	}
}
is($different, 0, 'rows made from rows agree with the reference');
cmp_ok($seen_rows, '>', 500, "$seen_rows of them are seen");
cmp_ok($hidden_rows, '>', 500, "$hidden_rows are not");

# Hundreds of patients change their minds while a session that has its answers cached
# goes on, in a REPEATABLE READ transaction whose snapshot is older.
$node->safe_psql('postgres', q{
	DELETE FROM model.directive WHERE subject % 9 = 4;
	INSERT INTO model.directive SELECT subject, 9, CASE WHEN subject % 2 = 0 THEN 'deny' ELSE 'permit' END, 'CLINTRCH',
	    '{mental_health,laboratory}', true, true, '{ours,a-third}', NULL, false FROM model.world WHERE subject % 9 = 7});
my %use = map { $_ => $node->safe_psql('postgres',
	"SELECT code FROM model.use WHERE form = 'identified' AND basis = 'consent' AND purpose = 'CLINTRCH' AND '$_' = ANY (categories) ORDER BY cardinality(categories) DESC LIMIT 1") }
  qw(sensitive prediction);
my @asked = map { [ $use{ $_ =~ /twin_state|simulation|prediction/ ? 'prediction' : 'sensitive' }, $_ ] } grep { $_ ne 'mental_health' } @categories;
my $expected = sub {
	return join "\n", (map { $node->safe_psql('postgres', "SELECT n || ' ' || digest FROM model.expected('$_->[0]', '$_->[1]')") } @asked),
	  map { $node->safe_psql('postgres', "SELECT model.expected_made('$use{prediction}', $_)") } 1 .. 3;
};
my $before = $expected->();
$node->safe_psql('postgres', 'CALL model.evaluate()');
my $after = $expected->();
my $all = join "\n", map { "SET LOCAL twin_privacy.use = '$_->[0]'; SELECT count(*) || ' ' || md5(coalesce(string_agg(ROW($cells)::text, E'\\n' ORDER BY id), '')) FROM world.$_->[1];" } @asked;
$all .= "\nSET LOCAL twin_privacy.use = '$use{prediction}';" . join '', map { "\nSELECT count(*) || ' ' || coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM world.made_$_;" } 1 .. 3;
my ($seen, $err) = read_as($use{sensitive},
	"BEGIN ISOLATION LEVEL REPEATABLE READ;\n$all\n\\! PGUSER=model_registrar psql -X -q -d postgres -f $model/change.sql\n$all\nCOMMIT;");
isnt($after, $before, 'the changes change something');
is($seen, "$before\n$after", 'the next statements of an open transaction follow') or diag($err);

# The subject's key: clear for care, else a pseudonym that still tells people apart.
my $identified = $node->safe_psql('postgres',
	"SELECT code FROM model.use WHERE form = 'identified' AND basis = 'vital_interest' LIMIT 1");
my $pseudonymised = $node->safe_psql('postgres',
	"SELECT code FROM model.use WHERE form = 'pseudonymised' AND basis = 'vital_interest' LIMIT 1");
my ($clear) = read_as($identified,
	q{SELECT count(*), bool_and(v_own = 'clear ' || subject) FROM world.laboratory});
my ($masked) = read_as($pseudonymised,
	q{SELECT count(DISTINCT subject) = count(DISTINCT v_own), count(*) FILTER (WHERE v_own = 'clear ' || subject) < 3, count(DISTINCT subject) FROM world.laboratory});
like($clear, qr/^[1-9]\d*\|t$/, 'the key is clear in the identified form');
is($masked, "t|t|$worlds", 'and a pseudonym of its own for each subject in the other');

$node->stop;
done_testing();
