# Derived rows on other servers: a standby looks every row's inputs up, and a logical
# subscriber follows what is applied, also in a session that has read all provenance before.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $primary = TwinPrivacy::Cluster->new_node('primary', init => [ allows_streaming => 1 ], conf => "wal_level = logical\n");
my $subscriber = TwinPrivacy::Cluster->new_node('subscriber', conf => "wal_retrieve_retry_interval = '200ms'\n");

# Lays tables, policy and consents on a node; patient 3 denies what her stream tells.
sub prepare
{
	my ($node) = @_;
	$node->safe_psql('postgres', q{
		CREATE ROLE one LOGIN IN ROLE twin_privacy_officer;
		CREATE ROLE two LOGIN IN ROLE twin_privacy_officer;
		CREATE ROLE reader LOGIN;
		CREATE TABLE reading (id int PRIMARY KEY, patient_id int, labels text);
		CREATE TABLE param (id int PRIMARY KEY, patient_id int);
		CREATE TABLE used (id int PRIMARY KEY, param_id int, reading_id int);
		CREATE INDEX ON used (param_id);
		SELECT twin_privacy.protect_table('reading', subject => 'patient_id', category => 'sensor_stream', label_column => 'labels');
		SELECT twin_privacy.protect_table('param', subject => 'patient_id', category => 'twin_parameter');
		SELECT twin_privacy.label_column('param', 'id', 'kind=plain');
		SELECT twin_privacy.declare_provenance('param', 'id', 'used', 'param_id', 'reading', 'reading_id', 'id');
		GRANT SELECT ON param TO reader;
		SET SESSION AUTHORIZATION one;
		SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'us', categories => '{twin_parameter}', disclosure => 'identified');
		SET SESSION AUTHORIZATION two;
		SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'reader');
		RESET SESSION AUTHORIZATION;
		SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT', categories => '{sensor_stream,twin_parameter}') FROM generate_series(1, 6) i;
		SELECT twin_privacy.record_consent('3', decision => 'deny', purpose => 'TREAT', categories => '{sensor_stream}')});
	return;
}

my $read = q{SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), 'none') FROM param;};

# What a reader sees in sessions of their own, by single look-ups and by all provenance at once.
sub seen
{
	my ($node) = @_;
	return $node->safe_psql('postgres', "SET twin_privacy.use = 'CARE';\n$read\nSET twin_privacy.provenance_threshold = 0;\n$read", extra_params => [ '-U', 'reader' ]);
}

prepare($primary);
prepare($subscriber);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->safe_psql('postgres', q{
	SET twin_privacy.maintenance = on;
	INSERT INTO reading SELECT i, i FROM generate_series(1, 6) i;
	INSERT INTO param SELECT i, i FROM generate_series(1, 6) i;
	INSERT INTO used SELECT i, i, i FROM generate_series(1, 5) i;
	CREATE PUBLICATION twins FOR TABLE reading, param, used});
(my $conninfo = $primary->connstr('postgres')) =~ s/'/''/g;
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION twins CONNECTION '$conninfo user=postgres options=''-c twin_privacy.maintenance=on''' PUBLICATION twins");
$subscriber->wait_for_subscription_sync($primary, 'twins');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is(seen($primary), "1 2 4 5\n1 2 4 5", 'the primary: one input is denied, one row is of unknown origin');
is(seen($standby), "1 2 4 5\n1 2 4 5", 'the standby');
is(seen($subscriber), "1 2 4 5\n1 2 4 5", 'the subscriber');

# One session of the subscriber goes on while each change is applied.
my @changes = (
	[ 'an input more', 'INSERT INTO used VALUES (7, 1, 3)', '2 4 5' ],
	[ 'a label on an input', q{UPDATE reading SET labels = 'HIV' WHERE id = 2}, '4 5' ],
	[ 'an input of somebody else', 'UPDATE reading SET patient_id = 3 WHERE id = 4', '5' ],
	[ 'a row that is traced at last', 'INSERT INTO used VALUES (8, 6, 6)', '5 6' ],
	[ 'an input that is gone', 'DELETE FROM reading WHERE id = 5', '6' ]);
my $script = "SET twin_privacy.use = 'CARE';\nSET twin_privacy.provenance_threshold = 0;\n$read\n";
my $dir = $subscriber->basedir;
for my $n (0 .. $#changes)
{
	# the marker is applied with the change
	append_to_file("$dir/change$n.sql", "SET twin_privacy.maintenance = on;\nBEGIN; $changes[$n][1]; INSERT INTO used VALUES (100 + $n, -1, -1); COMMIT;\n");
	append_to_file("$dir/await$n.sql", "DO \$\$BEGIN WHILE NOT EXISTS (SELECT FROM used WHERE id = 100 + $n) LOOP COMMIT; PERFORM pg_sleep(0.02); END LOOP; END\$\$;\n");
	$script .= "\\! psql -XAtq -d \"" . $primary->connstr('postgres') . " user=postgres\" -f $dir/change$n.sql\n"
	  . "\\! psql -XAtq -d \"" . $subscriber->connstr('postgres') . " user=postgres\" -f $dir/await$n.sql\n$read\n";
}
is($subscriber->safe_psql('postgres', $script, extra_params => [ '-U', 'reader' ]), join("\n", '1 2 4 5', map { $_->[2] } @changes),
	'the subscriber follows: ' . join ', ', map { $_->[0] } @changes);
is(seen($subscriber), "6\n6", 'and so do new sessions of it');
is(seen($primary), "6\n6", 'the primary has the same');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is(seen($standby), "6\n6", 'and the standby');

# What the standby knew is no better after it was promoted.
$standby->promote;
is(seen($standby), "6\n6", 'promoted');
$standby->safe_psql('postgres', q{SET twin_privacy.maintenance = on; INSERT INTO used VALUES (9, 6, 3)});
is(seen($standby), "none\nnone", 'and it follows its own changes');

$_->stop foreach $subscriber, $standby, $primary;
done_testing();
