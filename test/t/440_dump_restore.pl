# A dump taken under maintenance and restored into a new database protects the same
# rows and cells by the same uses, consents, labels, prohibitions and keys; one taken
# without maintenance gets no row.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('dump');
my $file = $node->basedir . '/dump';

# Runs SQL as a role and dies on an error.
sub as_role
{
	my ($role, $sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql, extra_params => [ '-U', $role ]);
}

# What a reader sees under a use, errors and SQLSTATEs included.
sub read_as
{
	my ($database, $use, $sql) = @_;
	my ($rc, $out, $err) = $node->psql($database, "\\set VERBOSITY verbose\nSET twin_privacy.use = '$use';\n$sql",
		on_error_stop => 0, extra_params => [ '-U', 'dump_reader' ]);
	return $err =~ /ERROR:  (\w{5}:.*)/ ? $1 : $out;
}

$node->safe_psql('postgres', q{
	CREATE ROLE dump_one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE dump_two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE dump_registrar LOGIN IN ROLE twin_privacy_registrar;
	CREATE ROLE dump_reader LOGIN;
	SELECT twin_privacy.add_category('ecg', 'vital_signs', 'electrocardiograms');
	SELECT twin_privacy.add_category('ecg_12', 'ecg', 'twelve-lead');
	SELECT twin_privacy.add_purpose('TWINS', 'CLINTRCH', 'twins in trials');
	SELECT twin_privacy.prohibit_purpose('HMARKT', 'board decision');
	CREATE TABLE patient (id int PRIMARY KEY, name text, born date, "Odd Column" text);
	CREATE TABLE twin (id int PRIMARY KEY, patient_id int NOT NULL REFERENCES patient);
	CREATE TABLE trace (twin_id int NOT NULL REFERENCES twin, at date NOT NULL, value int, lead12 int, labels text[]) PARTITION BY RANGE (at);
	CREATE TABLE trace_1 PARTITION OF trace FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	CREATE TABLE trace_2 PARTITION OF trace FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	INSERT INTO patient SELECT i, 'name ' || i, date '1950-05-05' + 100 * i, 'odd ' || i FROM generate_series(1, 20) i;
	INSERT INTO twin SELECT 100 + i, i FROM generate_series(1, 20) i;
	INSERT INTO trace SELECT 100 + i, date '2026-01-20' + k, i * k, i + k, CASE i % 4 WHEN 0 THEN '{PSY}'::text[] END FROM generate_series(1, 20) i, generate_series(1, 25) k;
	SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
	SELECT twin_privacy.protect_table('twin', subject => 'patient_id', category => 'ecg');
	SELECT twin_privacy.protect_table('trace', subject => 'twin_id -> public.twin(id).patient_id', category => 'ecg', label_column => 'labels');
	SELECT twin_privacy.label_column('patient', 'name', 'category=identity, kind=identifier, mask=pseudonym');
	SELECT twin_privacy.label_column('patient', 'born', 'kind=quasi, mask=date_shift');
	SELECT twin_privacy.label_column('patient', 'Odd Column', 'kind=quasi, mask=partial:1:1');
	SELECT twin_privacy.label_column('twin', 'id', 'kind=plain');
	SELECT twin_privacy.label_column('trace', 'twin_id', 'kind=plain');
	SELECT twin_privacy.label_column('trace', 'at', 'kind=plain');
	SELECT twin_privacy.label_column('trace', 'value', 'kind=quasi, mask=band:10');
	SELECT twin_privacy.label_column('trace', 'lead12', 'category=ecg_12, kind=plain');
	CREATE TABLE score (id int PRIMARY KEY, patient_id int, value int, made_for text);
	CREATE TABLE score_made (score_id int REFERENCES score, twin_id int);
	CREATE TABLE tariff (patient_id int, amount int);
	INSERT INTO score SELECT i, i, 10 * i, CASE WHEN i % 5 = 0 THEN 'HMARKT' ELSE 'TWINS' END FROM generate_series(1, 12) i;
	INSERT INTO score_made SELECT i, 100 + i FROM generate_series(1, 11) i UNION ALL VALUES (2, 118), (4, 101);
	SELECT twin_privacy.protect_table('score', subject => 'patient_id', category => 'ecg'), twin_privacy.label_context('tariff', 'insurance');
	SELECT twin_privacy.label_column('score', c, 'kind=plain') FROM unnest('{id,value}'::name[]) c;
	SELECT twin_privacy.declare_provenance('score', 'id', 'score_made', 'score_id', 'twin', 'twin_id', 'id'), twin_privacy.declare_purpose_column('score', 'made_for');
	GRANT SELECT ON patient, twin, trace, trace_2, score, tariff TO dump_reader});
as_role('dump_one', q{
	SELECT twin_privacy.propose_use('STUDY', purpose => 'TWINS', recipient => 'us', categories => '{identity,demographics,vital_signs,mental_health}',
	    disclosure => 'pseudonymised', valid => '[2026-01-01,2036-01-01)', statement => 'I promise.');
	SELECT twin_privacy.propose_use('ADS', purpose => 'CLINTRCHPC', recipient => 'us', categories => '{demographics}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('PAUSED', purpose => 'TREAT', recipient => 'us', categories => '{demographics}', disclosure => 'identified')});
as_role('dump_two', q{
	SELECT twin_privacy.approve_use(u), twin_privacy.grant_use(u, 'dump_reader') FROM unnest('{STUDY,ADS,PAUSED}'::text[]) u;
	SELECT twin_privacy.suspend_use('PAUSED', 'incident');
	SELECT twin_privacy.prohibit_purpose('CLINTRCHPC', 'a seeded purpose, later')});
as_role('dump_registrar', q{
	SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH',
	           categories => '{identity,demographics,vital_signs}')) FROM generate_series(1, 15) i;
	SELECT twin_privacy.record_consent('8', decision => 'permit', purpose => 'HRESCH', categories => '{mental_health}');
	SELECT twin_privacy.record_consent('3', decision => 'deny', purpose => 'TWINS', categories => '{ecg_12}');
	SELECT twin_privacy.withdraw_all_consent('5', 'left')});
as_role('dump_reader', q{SELECT twin_privacy.acknowledge_use('STUDY')});

my %reads = (
	STUDY => [
		'SELECT * FROM patient ORDER BY name', 'SELECT * FROM twin ORDER BY id', 'SELECT * FROM trace ORDER BY twin_id, at',
		'SELECT id, value FROM score ORDER BY id', 'SELECT count(*) FROM score, tariff',
		'SELECT count(*), sum(lead12) FROM trace_2', 'SELECT * FROM twin_privacy.why(\'patient\', \'5\')' ],
	ADS => ['SELECT count(*) FROM patient'],
	PAUSED => ['SELECT count(*) FROM patient'],
	NOBODYS => ['SELECT count(*) FROM patient']);
my $vocabulary = q{SELECT * FROM twin_privacy.purposes ORDER BY code; SELECT * FROM twin_privacy.categories ORDER BY code;
	SELECT consent_id, subject, decision, purpose, categories, recipients, valid, withdrawn_at, reason FROM twin_privacy.consents ORDER BY consent_id;
	SELECT code, status, granted_to, approved_by, suspend_reason FROM twin_privacy.approved_uses ORDER BY code;
	SELECT target::text, column_name, labelled, category, kind, mask FROM twin_privacy.protected_columns ORDER BY 1, 2;
	SELECT target::text, subject, category, label_column, problem FROM twin_privacy.protected_tables ORDER BY 1;
	SELECT * FROM twin_privacy.traced_tables; SELECT objname, label FROM pg_seclabels WHERE objtype = 'table' ORDER BY 1;
	SELECT * FROM twin_privacy.check_protection()};
my %before = map { my $use = $_; ($use => [ map { read_as('postgres', $use, $_) } @{ $reads{$use} } ]) } keys %reads;
my $vocabulary_before = $node->safe_psql('postgres', $vocabulary);
like($before{STUDY}[0], qr/^\S+\|\w{36}.\|19\d\d/m, 'there is something pseudonymised to compare');
like($before{ADS}[0], qr/^TP002:/, 'a use of a purpose prohibited later is refused');

$node->restart;
for my $use (sort keys %reads)
{
	is(read_as('postgres', $use, $reads{$use}[$_]), $before{$use}[$_], "$use after a restart: $reads{$use}[$_]") for 0 .. $#{ $reads{$use} };
}

# Without maintenance the superuser has no use, so there is nothing to dump.

my $dump = [ 'pg_dump', '-Fc', '-f', $file, $node->connstr('postgres') ];
ok(!run_log($dump), 'pg_dump without maintenance fails');
{
	local $ENV{PGOPTIONS} = '-c twin_privacy.maintenance=on';
	$node->command_ok($dump, 'pg_dump under maintenance');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $file ], 'pg_restore under maintenance');
}
is($node->safe_psql('restored', $vocabulary), $vocabulary_before, 'vocabulary, consents, uses and labels are restored');
for my $use (sort keys %reads)
{
	is(read_as('restored', $use, $reads{$use}[$_]), $before{$use}[$_], "$use, restored: $reads{$use}[$_]") for 0 .. $#{ $reads{$use} };
}

# What rows are traced by is not taken away from under them, nor their purposes.
like($before{STUDY}[3], qr/^1\|10\n3\|30\n4\|40\n/, 'rows made from what is permitted are seen');
unlike($before{STUDY}[3], qr/^(2|5|12)\|/m, 'and others not');
like(read_as('restored', 'STUDY', 'DROP TABLE score_made'), qr/^42501:/, 'nobody but the owner drops provenance');
my ($rc, $out, $err) = $node->psql('restored', 'DROP TABLE score_made');
like($err, qr/table score depends on table score_made/, 'and who may must drop what it traces, too');
is($node->safe_psql('restored', q{SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'score'::regclass}), 'twin_privacy_internal.bound_purpose()', 'the purpose column keeps its default');

# The restored database goes on: new categories and consents get numbers of their own.
$node->safe_psql('restored', q{SELECT twin_privacy.add_category('eeg', 'vital_signs', 'electroencephalograms')});
is( $node->safe_psql('restored', 'SELECT count(*) = count(DISTINCT number) FROM twin_privacy_internal.category'),
	't', 'a new category has a number of its own');
my $fresh = as_role('dump_registrar', q{SELECT twin_privacy.record_consent('20', decision => 'permit', purpose => 'HRESCH')}, 'restored');
is( $node->safe_psql('restored', "SELECT count(*) FROM twin_privacy.consents WHERE consent_id = $fresh"), 1,
	'a new consent has an id of its own');
is(read_as('restored', 'STUDY', 'SELECT count(*) FROM patient'), 15, 'and opens its row');

$node->stop;
done_testing();
