# Synthea patients and simglucose twins from TWIN_PRIVACY_DATA: what four uses see
# of a clinical schema equals plain SQL over an unprotected copy (test/real).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $data = $ENV{TWIN_PRIVACY_DATA};
my $real = "$ENV{TWIN_PRIVACY_SRC}/test/real";
my $node = TwinPrivacy::Cluster->new_node('real');

# Loads a CSV file into a new table of text columns named by its header.
sub load_csv
{
	my ($table, $file) = @_;
	open my $in, '<', $file or die "$file: $!";
	chomp(my $header = <$in>);
	close $in;
	$header =~ s/\r$//;
	my $columns = join ', ', map { qq{"$_" text} } split /,/, $header;
	$node->safe_psql('postgres',
		"CREATE TABLE IF NOT EXISTS raw.$table ($columns);\n\\copy raw.$table FROM '$file' CSV HEADER NULL ''");
	return;
}

# Runs one of our SQL files as the superuser.
sub run_file
{
	my ($file) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', slurp_file("$real/$file"), on_error_stop => 1);
	is($rc, 0, "$file runs") or BAIL_OUT($err);
	return;
}

# Runs a query on the protected schema under a use.
sub seen
{
	my ($use, $query, $settings) = @_;
	my ($rc, $out, $err) = $node->psql(
		'postgres', "\\set VERBOSITY verbose\nSET search_path = clinic;\nSET twin_privacy.use = '$use';\n" . ($settings // '') . $query,
		on_error_stop => 0,
		extra_params => [ '-U', 'real_reader' ]);
	return $err eq '' ? $out : $err;
}

# Runs it on the plain views of that use.
sub expected
{
	my ($use, $query) = @_;
	return $node->safe_psql('postgres', "SET search_path = $use;\n$query");
}

$node->safe_psql('postgres', 'CREATE SCHEMA raw');
load_csv($_, "$data/synthea-csv/$_.csv") for qw(patients encounters conditions medications observations);
load_csv('vpatient_params', "$data/sensors/simglucose/vpatient_params.csv");
for my $file (glob "$data/sensors/simglucose/run_*_0*.csv")
{
	my ($group, $number) = $file =~ /run_(\w+)_(\d+)\.csv$/ or next;
	load_csv('one_run', $file);
	$node->safe_psql('postgres',
		"CREATE TABLE IF NOT EXISTS raw.run AS SELECT ''::text AS twin, * FROM raw.one_run LIMIT 0;
		 INSERT INTO raw.run SELECT '$group#$number', * FROM raw.one_run; DROP TABLE raw.one_run");
}
run_file($_) for qw(hospital.sql oracle.sql policy.sql);
is( $node->safe_psql('postgres',
		'SELECT (SELECT count(*) FROM plain.patient), (SELECT count(*) FROM plain.observation), (SELECT count(*) FROM plain.reading)'),
	'27|990|12987', 'the data are all there');

# Every table whole: rows and cells, but for keys that the trial sees masked.
my %whole = (
	patient => 'birth_date, death_date, ssn, first_name, last_name, race, gender, city, zip, lat, expenses',
	encounter => 'id, started, class, description, cost',
	condition => 'id, encounter_id, started, code, description, security_labels',
	medication => 'id, encounter_id, started, description, cost',
	observation => 'id, encounter_id, taken, category, code, description, value, numeric_value, units',
	twin_parameter => 'name, value',
	reading => 'at, glucose, carbohydrate, insulin',
);
my %may = (
	ward => [ sort keys %whole ],
	trial => [ sort keys %whole ],
	quality => [qw(condition observation patient)],
	outbreak => [qw(condition patient)],
);
for my $use (sort keys %may)
{
	for my $table (sort keys %whole)
	{
		my $query = "SELECT $whole{$table} FROM $table ORDER BY " . join ', ', 1 .. scalar(split /,/, $whole{$table});
		if (grep { $_ eq $table } @{ $may{$use} })
		{
			my $truth = expected($use, $query);
			my $rows = () = $truth =~ /\n/g;
			cmp_ok($rows, '>', 5, "$use, $table: there is something to see");
			is(seen($use, $query), $truth, "$use, $table: every row and cell");
		}
		else
		{
			like(seen($use, $query), qr/ERROR:  TP003: .*$use/, "$use, $table: refused, naming the use");
		}
	}
}
is(seen('ward', 'SELECT id, patient_id FROM encounter ORDER BY 1'),
	expected('ward', 'SELECT id, patient_id FROM encounter ORDER BY 1'), 'ward: keys are in the clear');
my ($key) = split /\n/, expected('trial', 'SELECT id FROM patient ORDER BY 1');
unlike(seen('trial', 'SELECT id FROM patient'), qr/$key/, 'trial: keys are not');

# Sums and counts as analysts ask for them, on tables and through views.
my @queries = (
	'SELECT count(*), count(DISTINCT patient_id), sum(cost), min(started), max(started) FROM encounter',
	'SELECT class, count(*), round(avg(cost), 4) FROM encounter GROUP BY class ORDER BY class',
	'SELECT description, count(*) FROM condition GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC, 1',
	'SELECT gender, count(*), sum(cost) FROM patient JOIN medication ON patient_id = patient.id GROUP BY gender ORDER BY gender',
	'SELECT p.race, count(o.id), sum(o.numeric_value) FROM patient p LEFT JOIN observation o ON o.patient_id = p.id GROUP BY 1 ORDER BY 1',
	q{SELECT description, count(*), round(avg(numeric_value), 6) FROM observation WHERE category = 'vital-signs' GROUP BY 1 ORDER BY 1},
	'SELECT count(*) FROM patient p WHERE NOT EXISTS (SELECT FROM medication m WHERE m.patient_id = p.id)',
	'SELECT count(*) FROM patient WHERE id NOT IN (SELECT patient_id FROM medication)',
	'SELECT count(*), round(sum(glucose)::numeric, 4), count(DISTINCT patient_id), count(*) FILTER (WHERE high) FROM glycaemia',
	'SELECT class, count(DISTINCT description), count(DISTINCT patient_id) FROM diagnosis GROUP BY class ORDER BY class',
	q{SELECT date_trunc('hour', at), round(avg(glucose)::numeric, 6) FROM reading GROUP BY 1 ORDER BY 1},
	q{SELECT count(*), round(sum(glucose)::numeric, 4) FROM reading WHERE at >= '2018-01-01'},
	'SELECT name, round(avg(value)::numeric, 9), count(*) FROM twin_parameter GROUP BY name ORDER BY name',
	'SELECT round(corr(q.value, m.g)::numeric, 9) FROM twin_parameter q JOIN (SELECT twin, avg(glucose) g FROM reading GROUP BY twin) m USING (twin) WHERE q.name = \'Gb\'',
	'SELECT count(*) FROM (SELECT DISTINCT ON (patient_id) * FROM observation ORDER BY patient_id, taken DESC) x',
	'SELECT started, rank() OVER (ORDER BY started, id) FROM condition ORDER BY id LIMIT 40',
	'WITH old AS MATERIALIZED (SELECT id FROM patient WHERE birth_date < \'1970-01-01\') SELECT count(*), sum(m.cost) FROM old JOIN medication m ON m.patient_id = old.id',
	'SELECT count(*) FROM patient p, LATERAL (SELECT * FROM observation o WHERE o.patient_id = p.id ORDER BY id LIMIT 3) x',
	'SELECT zip, count(*) FROM patient GROUP BY zip ORDER BY zip NULLS FIRST',
	q{SELECT count(*) FROM patient WHERE first_name IS NULL},
	q{SELECT count(*) FROM patient WHERE first_name ~ '^[A-M]'},
	q{SELECT count(*) FROM condition WHERE description ~* 'abuse|alcohol|overdose|pregnan|stress|criminal'},
	'SELECT sum(c) FROM (SELECT count(*) c FROM condition UNION ALL SELECT count(*) FROM encounter UNION ALL SELECT count(*) FROM medication) u',
);
for my $use (qw(ward trial))
{
	is(seen($use, $_), expected($use, $_), "$use: $_") for @queries;
}
is(seen('quality', $_), expected('quality', $_), "quality: $_")
  for grep { !/encounter|medication|reading|glycaemia|diagnosis|twin/ } @queries;
is(seen('outbreak', $_), expected('outbreak', $_), "outbreak: $_")
  for grep { !/encounter|medication|reading|glycaemia|diagnosis|twin|observation/ } @queries;

# Other ways to the same rows.
my $day2 = q{SELECT count(*), round(sum(glucose)::numeric, 4) FROM };
is(seen('trial', $day2 . 'reading_day2'), expected('trial', $day2 . q{reading WHERE at >= '2018-01-01'}), 'a partition by its own name');
is(seen('trial', $queries[4], "SET enable_hashjoin = off;\nSET enable_seqscan = off;\n"), expected('trial', $queries[4]), 'with index scans');
is( seen('trial', $queries[8],
		"SET parallel_setup_cost = 0;\nSET parallel_tuple_cost = 0;\nSET min_parallel_table_scan_size = 0;\nSET min_parallel_index_scan_size = 0;\n"),
	expected('trial', $queries[8]), 'in parallel workers');
is(seen('trial', "PREPARE q AS $queries[2];\nEXECUTE q;\nDEALLOCATE q"), expected('trial', $queries[2]), 'a prepared statement');
is( seen('trial', "BEGIN;\nDECLARE c CURSOR FOR SELECT id, started FROM condition ORDER BY id;\nFETCH 25 FROM c;\nCOMMIT"),
	expected('trial', 'SELECT id, started FROM condition ORDER BY id LIMIT 25'), 'a cursor');
is(seen('ward', 'COPY (SELECT id, code FROM condition ORDER BY id) TO STDOUT CSV'),
	expected('ward', q{SELECT id || ',' || code FROM condition ORDER BY id}), 'COPY TO');

# A withdrawal, and all sums follow.
my $gone = $node->safe_psql('postgres', 'SELECT id FROM plain.person WHERE n = 4');
$node->safe_psql('postgres', "SELECT twin_privacy.withdraw_all_consent('$gone', 'left')", extra_params => [ '-U', 'real_registrar' ]);
$node->safe_psql('postgres', "DELETE FROM plain.consent WHERE n = 4; DELETE FROM plain.open WHERE patient_id = '$gone' AND use <> 'outbreak'");
for my $use (qw(ward trial quality outbreak))
{
	is(seen($use, 'SELECT count(*) FROM patient'), expected($use, 'SELECT count(*) FROM patient'), "$use: patients after a withdrawal");
	is(seen($use, 'SELECT count(*) FROM condition'), expected($use, 'SELECT count(*) FROM condition'), "$use: conditions after a withdrawal");
}

# Derived data: one patient takes the glucose sensor back; what was made from it is closed and on
# the list of what is left to do, the pooled model among it, and everybody else's stays.
run_file('lineage.sql');
my $made = q{SELECT (SELECT count(*) FROM lab.parameter), (SELECT count(*) FROM lab.run), (SELECT count(*) FROM lab.prediction), (SELECT count(*) FROM lab.model)};
my $twins = $node->safe_psql('postgres', 'SELECT count(DISTINCT twin) FROM plain.reading');
cmp_ok($twins, '>=', 20, 'there are twins');
is(seen('lab', $made), "$twins|$twins|$twins|1", 'with everybody\'s consent all is open');
my $one = $node->safe_psql('postgres', 'SET twin_privacy.maintenance = on; SELECT patient_id FROM lab.run WHERE id = 2');
sub registrar { return $node->safe_psql('postgres', $_[0], extra_params => [ '-U', 'real_registrar' ]); }
# rows that do not say what they were made for are on the list for whatever purpose was denied before
my $before = registrar('SELECT max(consent_id) FROM twin_privacy.consents');
my $new = "SELECT count(*) FROM twin_privacy.tainted WHERE cause > $before";
my $deny = registrar("SELECT twin_privacy.record_consent('$one', decision => 'deny', purpose => 'TWINLAB', categories => '{sensor_stream}')");
is(seen('lab', $made), join('|', ($twins - 1) x 3, 0), 'her parameters, run and prediction are closed, and the pooled model');
is( seen('lab', 'SELECT id, patient_id, lowest FROM lab.run ORDER BY id'),
	$node->safe_psql('postgres', "SET twin_privacy.maintenance = on; SELECT id, patient_id, lowest FROM lab.run WHERE patient_id <> '$one' ORDER BY id"),
	'everybody else\'s stays as it was');
my $left = $node->safe_psql('postgres', "SET twin_privacy.maintenance = on;
	SELECT 'lab.parameter', twin FROM lab.parameter WHERE patient_id = '$one'
	UNION ALL SELECT 'lab.run', id::text FROM lab.run WHERE patient_id = '$one'
	UNION ALL SELECT 'lab.prediction', id::text FROM lab.prediction WHERE patient_id = '$one'
	UNION ALL SELECT 'lab.model', 'pooled' ORDER BY 1, 2");
is(registrar("SELECT target, row_key FROM twin_privacy.tainted WHERE subject = '$one' AND cause = $deny ORDER BY target::text, row_key"), $left,
	'the list of tainted rows');
is(registrar($new), '4', 'has nobody else\'s');
is(seen('lab', 'SELECT target, row_key FROM twin_privacy.tainted ORDER BY target::text, row_key'), $left, 'who made them sees what was lost');
is(seen('lab', 'SELECT count(subject), count(cause) FROM twin_privacy.tainted'), '0|0', 'but not by whom');
is( seen('lab', "SELECT twin_privacy.clear_taint('lab.model', 'pooled', 'trained anew'); SELECT count(*) FROM twin_privacy.tainted"),
	"\n3", 'and ticks off what is done');
is(registrar("SELECT kind, row_key FROM twin_privacy.taint_report('$one') WHERE cleared_by = 'real_reader'"), 'prediction|pooled', 'which is kept');
registrar("SELECT twin_privacy.withdraw_consent($deny, 'changed her mind')");
is(seen('lab', $made), "$twins|$twins|$twins|1", 'permitted again, all is open');
is(registrar($new), '0', 'and nothing is left to do');

$node->stop;
done_testing();
