# Attacks on what aggregate-only uses release, each seen to work on the bare table (and
# those by differences with the guard off): averaging, differencing, cloning, row
# multiplication, empty sets, overflow, what is no number, time.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('guard_attacks');
$node->safe_psql('postgres', q{
	CREATE ROLE one LOGIN IN ROLE twin_privacy_officer, twin_privacy_registrar;
	CREATE ROLE two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE analyst LOGIN;
	CREATE ROLE unguarded LOGIN;
	ALTER ROLE unguarded SET twin_privacy.differencing_guard = off;
	GRANT CREATE ON SCHEMA public TO analyst;
	-- three live in Hof, one of them is the f; keyless holds the same rows as keyed
	CREATE TABLE person (id int PRIMARY KEY, city text NOT NULL, sex text NOT NULL, score int NOT NULL, big numeric NOT NULL, odd float8 NOT NULL);
	INSERT INTO person SELECT i, CASE WHEN i IN (5, 6, 7) THEN 'Hof' ELSE (ARRAY['Ulm', 'Jena'])[1 + i % 2] END, (ARRAY['f', 'm'])[1 + i % 2],
		CASE WHEN i = 6 THEN 777 ELSE i % 50 END, 1, CASE WHEN i = 6 THEN float8 'NaN' ELSE 1 END FROM generate_series(1, 400) i;
	CREATE TABLE keyed (id int PRIMARY KEY, person_id int NOT NULL, day int NOT NULL, value int NOT NULL);
	INSERT INTO keyed SELECT i, 1 + i % 400, i / 400, CASE WHEN i % 400 = 5 THEN 1000 ELSE i % 97 END FROM generate_series(0, 3999) i;
	CREATE TABLE keyless AS SELECT person_id, day, value FROM keyed;
	ALTER TABLE keyless ALTER person_id SET NOT NULL, ALTER day SET NOT NULL, ALTER value SET NOT NULL;
	-- what one row adds to nothing but the number of rows, and of decimals
	CREATE TABLE dose (id int PRIMARY KEY, person_id int NOT NULL, day int NOT NULL, whole int NOT NULL, taken numeric NOT NULL);
	INSERT INTO dose SELECT id, person_id, day, CASE WHEN person_id = 6 AND day = 7 THEN 0 ELSE 1 + value END, CASE WHEN person_id = 6 AND day = 7 THEN 0.000000000000000000000 ELSE 1.5 + day END FROM keyed;
	CREATE TABLE loose AS SELECT person_id, day, whole, taken FROM dose;
	ALTER TABLE loose ALTER person_id SET NOT NULL, ALTER day SET NOT NULL, ALTER whole SET NOT NULL, ALTER taken SET NOT NULL;
	CREATE VIEW clone AS SELECT * FROM keyed WHERE day >= 0;
	GRANT SELECT ON person, keyed, keyless, dose, loose, clone TO analyst, unguarded;
	SELECT twin_privacy.protect_table(t, s, 'laboratory') FROM (VALUES ('person'::regclass, 'id'), ('keyed', 'person_id'), ('keyless', 'person_id'), ('dose', 'person_id'), ('loose', 'person_id')) v(t, s);
	SET SESSION AUTHORIZATION one;
	SELECT twin_privacy.propose_use('U' || i, purpose => 'HRESCH', recipient => 'u', categories => '{laboratory}', disclosure => 'aggregate') FROM generate_series(1, 150) i;
	SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH') FROM generate_series(1, 400) i;
	SET SESSION AUTHORIZATION two;
	SELECT twin_privacy.approve_use('U' || i), twin_privacy.grant_use('U' || i, 'analyst'), twin_privacy.grant_use('U' || i, 'unguarded') FROM generate_series(1, 150) i});

my $hof = "(SELECT id FROM person WHERE city = 'Hof' AND sex = 'f')";
my $next = 0;

# Asks questions under a use of their own; gives a list of answers, undef where one is refused.
sub ask
{
	my ($role, @questions) = @_;
	my $use = $role eq 'postgres' ? undef : 'U' . ++$next;
	my $setting = defined $use ? "twin_privacy.use = '$use'" : 'twin_privacy.maintenance = on';
	my @answers;

	foreach my $question (@questions)
	{
		my ($rc, $out, $err) = $node->psql('postgres', "SET $setting; $question", extra_params => [ '-U', $role ]);
		die $err if $rc != 0 && $err !~ /does not release figures that differ|releases aggregates only|SERIALIZABLE transactions are not available/;
		push @answers, $rc == 0 ? $out : undef;
	}
	return @answers;
}

# An attack is some questions and what makes a secret of the answers.
sub attack
{
	my ($name, $secret, $make, @questions) = @_;
	my $get = sub {
		my @answers = ask($_[0], @questions);
		return 'nothing' if grep { !defined $_ || $_ eq '' } @answers;
		return $make->(@answers);
	};

	is($get->('postgres'), $secret, "$name: works on the bare table");
	is($get->('unguarded'), $secret, "$name: works with the guard off") if $name =~ /^(?:differ|clone|averag)/;
	isnt($get->('analyst'), $secret, "$name: is closed");
}

my $minus = sub { $_[0] - $_[1] };

# Differences: of rows, of people, of one row of a person, of parts, of a join, of a sub-query, in either order.
foreach my $table ('keyed', 'keyless')
{
	attack("differencing a sum of $table", 10 * 1000, $minus,
		"SELECT sum(value) FROM $table", "SELECT sum(value) FROM $table WHERE NOT person_id IN $hof");
	attack("differencing one row of $table", 1000, sub { $_[1] - $_[0] },
		"SELECT sum(value) FROM $table WHERE day < 5", "SELECT sum(value) FROM $table WHERE day < 5 OR (day = 7 AND person_id IN $hof)");
	attack("differencing parts of one statement over $table", 1000, sub { my ($a, $b) = split /\|/, $_[0]; $b - $a },
		"SELECT sum(value) FILTER (WHERE day < 5), sum(value) FILTER (WHERE day < 5 OR value = 1000 AND day = 7) FROM $table");
	attack("differencing a sub-query over $table", 10 * 1000, $minus, "SELECT sum(value) FROM $table",
		"SELECT sum(n) FROM (SELECT person_id, sum(value) AS n FROM $table WHERE NOT person_id IN $hof GROUP BY 1) s");
	attack("differencing means of $table", 10 * 1000, sub { my ($a, $n, $b, $m) = map { split /\|/ } @_; sprintf '%.0f', $a * $n - $b * $m },
		"SELECT avg(value), count(*) FROM $table", "SELECT avg(value), count(*) FROM $table WHERE NOT person_id IN $hof");
}
# What counts and means see of the rows that a sum adds nothing of.
foreach my $table ('keyed', 'keyless')
{
	my %counts = ('differencing counts' => 'count(CASE WHEN day < 5 THEN 1 ELSE 0 END)', 'differencing counts of values' => 'count(CASE WHEN day < 5 THEN value ELSE 0 END)',
		'means' => 'round(sum(CASE WHEN day < 5 THEN value ELSE 0 END) / avg(CASE WHEN day < 5 THEN value ELSE 0 END))');
	foreach my $name (sort keys %counts)
	{
		attack("$name of $table that see more than is compared", 1, sub { $_[1] - $_[0] },
			"SELECT $counts{$name} FROM $table WHERE day < 8", "SELECT $counts{$name} FROM $table WHERE day < 8 OR (day = 8 AND person_id IN $hof)");
	}
}

# A row that adds nothing to a sum still shows in how many rows a mean is of, and in the decimals of the sum.
foreach my $rows ('SELECT * FROM loose', 'SELECT person_id, day, whole, taken FROM dose')
{
	my ($few, $more) = ("($rows WHERE day < 5) s", "($rows WHERE day < 5 OR (day = 7 AND whole = 0 AND person_id IN $hof)) s");

	attack("differencing a mean of $rows by a row of zero", 2001, sub { sprintf '%.0f', 2000 * $_[0] / $_[1] },
		"SELECT avg(whole) FROM $few", "SELECT avg(whole) FROM $more");
	attack("differencing a deviation of $rows by a row of zero", 'differs', sub { $_[0] == $_[1] ? 'equal' : 'differs' },
		"SELECT stddev(whole) FROM $few", "SELECT stddev(whole) FROM $more");
	attack("decimals of a sum of $rows by a row of zero", 'differ', sub { length $_[0] == length $_[1] ? 'equal' : 'differ' },
		"SELECT sum(taken) FROM $few", "SELECT sum(taken) FROM $more");
	attack("digits of a mean of $rows by a row of zero", 'differ', sub { length $_[0] == length $_[1] ? 'equal' : 'differ' },
		"SELECT avg(taken) FROM $few WHERE day < 4", "SELECT avg(taken) FROM $more WHERE day < 4 OR day = 7");
}
attack('means over people with and without one of zero', 400, sub { sprintf '%.0f', $_[0] / ($_[1] - $_[0]) + 1 },
	'SELECT avg(n) FROM (SELECT person_id, min(whole) AS n FROM dose WHERE day = 7 GROUP BY 1) s',
	"SELECT avg(n) FROM (SELECT person_id, min(whole) AS n FROM dose WHERE day = 7 AND NOT person_id IN $hof GROUP BY 1) s");
attack('differencing groups and their total', 3, sub { my %n = map { split /\|/ } split /\n/, $_[1]; $_[0] - $n{Ulm} - $n{Jena} },
	'SELECT count(*) FROM person', "SELECT city, count(*) FROM person GROUP BY city HAVING count(*) > 10");

# Cloning: the difference in other words, by a view, a copy's name, a cursor, a prepared statement, another session.
attack('cloned question of a view', 10 * 1000, $minus,
	'SELECT sum(value) FROM keyed', "WITH x AS (SELECT * FROM clone) SELECT sum(y.value) FROM x y JOIN person p ON p.id = y.person_id WHERE p.city <> 'Hof' OR p.sex <> 'f'");
attack('cloned question of a cursor', 10 * 1000, $minus,
	'SELECT sum(value) FROM keyed', "BEGIN; DECLARE c CURSOR FOR SELECT sum(value) FROM keyed WHERE NOT person_id IN $hof; FETCH c; ROLLBACK");

# Averaging: exact figures have no noise to average, so many different sums are taken that all lack the same one.
attack('averaging variants', 8, sub { my @s = @_; my $n = 0; $n += $s[2 * $_] - $s[2 * $_ + 1] == 1000 foreach 0 .. 7; $n },
	map { ("SELECT sum(value) FROM keyed WHERE day = $_", "SELECT sum(value) FROM keyed WHERE day = $_ AND NOT person_id IN $hof") } 0 .. 7);

# Row multiplication: what is joined to itself outweighs everybody else.
attack('row multiplication by joins', 10, sub { int($_[0] / 1e6) },
	"SELECT sum(a.value) FROM keyed a JOIN keyed b ON b.person_id = a.person_id JOIN keyed c ON c.person_id = a.person_id JOIN keyed d ON d.person_id = a.person_id
	 WHERE a.person_id IN $hof OR (b.day = 0 AND c.day = 0 AND d.day = 0)");
attack('row multiplication of a cohort of copies', 777, sub { $_[0] / 20 },
	'SELECT sum(score) FROM person, generate_series(1, 20) WHERE score > 500');
attack('row multiplication by UNION ALL', 777, sub { $_[0] / 3 },
	'SELECT sum(score) FROM (SELECT score FROM person WHERE score > 500 UNION ALL SELECT score FROM person WHERE score > 500 UNION ALL SELECT score FROM person WHERE score > 500) s');

# ... by texts that one equality keeps apart and another does not, all of them keys of the analyst's table.
$node->safe_psql('postgres', q{
	CREATE TABLE spellings (city varchar COLLATE "C" PRIMARY KEY);
	INSERT INTO spellings SELECT city FROM unnest('{Ulm,Jena,Hof,HOF,hOF,HoF}'::text[]) city;
	INSERT INTO spellings SELECT 'Hof' || repeat(' ', i) FROM generate_series(1, 3) i;
	GRANT SELECT ON spellings TO PUBLIC},
	extra_params => [ '-U', 'analyst' ]);
# a server without ICU has no such collations, and so no such attack
if ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_collation WHERE collprovider = 'i'}) > 0)
{
	$node->safe_psql('postgres', q{CREATE COLLATION loose_case (provider = icu, locale = 'und-u-ks-level1', deterministic = false)},
		extra_params => [ '-U', 'analyst' ]);
	attack('row multiplication by a collation', 3, sub { ($_[0] - 397) / 4 },
		'SELECT count(*) FROM person p JOIN spellings s ON s.city = p.city COLLATE loose_case');
}
attack('row multiplication by blanks', 3, sub { ($_[0] - 397) / 4 },
	'SELECT count(*) FROM (SELECT id, city::bpchar AS city FROM person) p JOIN spellings s ON s.city = p.city');

# Counters and locks: PostgreSQL tells everybody of the rows that were read.
$node->safe_psql('postgres', 'CREATE INDEX ON person (score)');
my $one_by_one = 'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_memoize = off';
my $met = "SELECT count(*) FROM person p JOIN spellings s ON s.city = p.city::varchar COLLATE \"C\" WHERE p.score > 500";
foreach my $counted ([ 'rows of the analyst', 'idx_tup_fetch', 'spellings' ], [ 'searches for the analyst', 'idx_scan', 'spellings' ], [ 'rows of people', 'idx_tup_fetch', 'person' ])
{
	attack("counters: $counted->[0]", 1, sub { (split /\n/, $_[0])[-1] },
		"$one_by_one; BEGIN; $met; SELECT $counted->[1] FROM pg_stat_xact_user_tables WHERE relname = '$counted->[2]'; COMMIT");
	attack("counters: $counted->[0], of a cursor", 1, sub { (split /\n/, $_[0])[-1] },
		"$one_by_one; BEGIN; DECLARE c CURSOR FOR $met; SELECT count(*) > 0 FROM spellings WHERE false; FETCH c; SELECT $counted->[1] FROM pg_stat_xact_user_tables WHERE relname = '$counted->[2]'; COMMIT");
}
attack('locks of single rows', 1, sub { (split /\n/, $_[0])[-1] },
	"$one_by_one; BEGIN ISOLATION LEVEL SERIALIZABLE; $met; SELECT count(*) FROM pg_locks WHERE mode = 'SIReadLock' AND locktype = 'tuple' AND relation = 'spellings'::regclass; COMMIT");

# Logs to the client: how much is sorted, of rows as wide as a column of the analyst's.
$node->safe_psql('postgres', q{
	CREATE TABLE wide (city text PRIMARY KEY, long text NOT NULL);
	INSERT INTO wide SELECT city, repeat(md5(city), 60) FROM unnest('{Ulm,Jena,Hof}'::text[]) city;
	GRANT SELECT ON wide TO PUBLIC},
	extra_params => [ '-U', 'analyst' ]);
my %logged;
foreach my $role ('postgres', 'analyst')
{
	my $setting = $role eq 'postgres' ? 'twin_privacy.maintenance = on' : "twin_privacy.use = 'U" . ++$next . "'";
	my ($rc, $out, $err) = $node->psql('postgres', "SET $setting; SET client_min_messages = log; SET trace_sort = on; SET enable_hashagg = off;
		BEGIN; DECLARE c CURSOR FOR SELECT w.long, count(*) FROM person p JOIN wide w ON w.city = p.city WHERE p.city = 'Hof' GROUP BY w.long; FETCH c;
		RESET twin_privacy.use; CLOSE c; COMMIT", extra_params => [ '-U', $role ]);

	$logged{$role} = $err =~ /sort .*ended, \d+ KB used/;
}
ok($logged{postgres}, 'logs of sorting: tell of rows of the bare table');
ok(!$logged{analyst}, 'logs of sorting: tell an analyst nothing');

# Empty sets: nobody and too few look the same, in whatever is asked of them.
foreach my $figures ('count(*)', 'sum(score), avg(score)', 'count(DISTINCT id)', 'count(*) FILTER (WHERE score > 0)', 'count(*) = 0')
{
	foreach my $grouping ('', 'GROUP BY city', 'GROUP BY sex HAVING count(*) >= 0')
	{
		my ($few, $none) = map { (ask('analyst', "SELECT $figures FROM person WHERE city = '$_' $grouping"))[0] } 'Hof', 'Nowhere';

		is($few, $none, "empty sets: $figures $grouping of three people and of nobody");
	}
}
attack('empty sets', '3|0', sub { join '|', @_ }, "SELECT count(*) FROM person WHERE city = 'Hof'", "SELECT count(*) FROM person WHERE city = 'Nowhere'");

# Overflow: an error, or a sketch's number that comes to nothing, tells whether two rows match.
my $told = sub { $_[0] };
foreach my $constant ('9e307::float8', '1e4000::numeric', '9223372036854775807', '2305843009213693951', '23058430092136.93951', "'NaN'::float8", "'Infinity'::float8")
{
	my ($error) = ask('analyst', "SELECT sum(CASE WHEN score > 500 THEN $constant ELSE 0 END) FROM person");

	ok(!defined $error || $error eq '', "overflow: a sum of $constant for one person is not given");
	my ($whole, $less) = ask('analyst', "SELECT sum($constant) FROM person", "SELECT sum($constant) FROM person WHERE score < 500");
	ok(!defined $whole || !defined $less || $whole eq '' || $less eq '', "overflow: sums of $constant with and without one person are not both given");
}
# a column whose numbers are all nothing to the sketch's arithmetic
$node->safe_psql('postgres', 'SET twin_privacy.maintenance = on; UPDATE person SET big = 2305843009213693951');
attack('overflow of the sketch', '2305843009213693951', sub { my ($a, $b) = @_; require Math::BigInt; Math::BigInt->new($a)->bsub($b)->bstr },
	'SELECT sum(big) FROM person', "SELECT sum(big) FROM person WHERE NOT (city = 'Hof' AND sex = 'f')");

# What is no number: shown for the cohort only, and compared like a number.
attack('NaN with and without one', 'NaN|1', sub { my ($a, $b) = @_; $b = $b > 0 ? 1 : 0; "$a|$b" },
	'SELECT sum(odd) FROM person', "SELECT sum(odd) FROM person WHERE NOT (city = 'Hof' AND sex = 'f')");
attack('NaN by a condition', 't', $told, "SELECT count(*) = 1 FROM person WHERE odd = 'NaN'");

# Time: nothing an analyst brings takes longer, or acts, for some rows than for others.
$node->safe_psql('postgres', 'CREATE FUNCTION slow(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN true; END $$',
	extra_params => [ '-U', 'analyst' ]);
foreach my $slow ('slow(score)', 'pg_sleep(score * 0.001) IS NOT NULL', "length(repeat('x', score * 100000)) > 0", "repeat('a', score) ~ '(a*)*b'",
	'(SELECT slow(1))', '(SELECT count(*) FROM generate_series(1, 1000000)) > 0', 'sha512(sex::bytea) IS NOT NULL', 'factorial(score) > 0', '2 ^ score > 0')
{
	is((ask('analyst', "SELECT count(*) FROM person WHERE score < 500 OR $slow"))[0], undef, "time: $slow is not run on some rows only");
}
$node->stop;
done_testing();
