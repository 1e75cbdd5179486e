# Logical replication with the real programs: raw rows leave only to a role that may
# open them, arrive in a table that the subscriber protects by its own policy and
# consents, and both sides say that they leave.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $publisher = TwinPrivacy::Cluster->new_node('publisher', init => [ allows_streaming => 1 ], conf => "wal_level = logical\n");
my $subscriber = TwinPrivacy::Cluster->new_node('subscriber', conf => "wal_retrieve_retry_interval = '200ms'\n");
my $table = q{CREATE TABLE chart (id int PRIMARY KEY, patient_id int NOT NULL, value int, note text)};

# Lays the same policy on a node, with consents of its own.
sub prepare
{
	my ($node, $permits) = @_;
	$node->safe_psql('postgres', qq{
		CREATE ROLE one LOGIN IN ROLE twin_privacy_officer;
		CREATE ROLE two LOGIN IN ROLE twin_privacy_officer;
		CREATE ROLE reader LOGIN;
		$table;
		SELECT twin_privacy.protect_table('chart', subject => 'patient_id', category => 'laboratory');
		SELECT twin_privacy.label_column('chart', c, 'kind=plain') FROM unnest('{id,value}'::name[]) c;
		GRANT SELECT ON chart TO reader;
		SET SESSION AUTHORIZATION one;
		SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified');
		SET SESSION AUTHORIZATION two;
		SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'reader');
		RESET SESSION AUTHORIZATION;
		SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT') FROM generate_series(1, $permits) i});
	return;
}

# What a reader sees under the use, as sorted values.
sub seen
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SET twin_privacy.use = 'CARE'; SELECT coalesce(string_agg(value::text, ' ' ORDER BY id), '') FROM chart}, extra_params => [ '-U', 'reader' ]);
}

# Waits until the subscriber has applied everything.
sub caught_up
{
	$publisher->wait_for_catchup('charts');
	return;
}

prepare($publisher, 5);
prepare($subscriber, 3);
$publisher->safe_psql('postgres', q{
	SET twin_privacy.maintenance = on;
	INSERT INTO chart SELECT i, i, 10 * i, 'note ' || i FROM generate_series(1, 6) i;
	CREATE PUBLICATION charts FOR TABLE chart;
	CREATE ROLE courier LOGIN REPLICATION;
	GRANT SELECT ON chart TO courier});
like($publisher->safe_psql('postgres', 'SELECT string_agg(finding, E\'\n\') FROM twin_privacy.check_protection()'), qr/publi/i, 'the publisher says that a publication lets rows out');

# The first copy is a query: without a use the courier gets none of it.
(my $conninfo = $publisher->connstr('postgres') . ' user=') =~ s/'/''/g;
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION charts CONNECTION '${conninfo}courier' PUBLICATION charts");
ok($publisher->poll_query_until('postgres', q{SELECT count(*) > 0 FROM twin_privacy.disclosures WHERE session_role = 'courier' AND outcome = 'refused'}),
	'a courier with REPLICATION alone is refused the first copy, and that is recorded');
is($subscriber->safe_psql('postgres', 'SET twin_privacy.maintenance = on; SELECT count(*) FROM chart'), 0, 'nothing arrived');
like($publisher->safe_psql('postgres', q{SELECT state || detail FROM twin_privacy.status() WHERE check_name = 'replication'}), qr/^warning.*logical slots: [1-9].*raw rows/, 'status says that a slot shows raw rows');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION charts');

# Under maintenance the copy is allowed, and recorded as such.
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION charts CONNECTION '${conninfo}postgres options=''-c twin_privacy.maintenance=on''' PUBLICATION charts");
$subscriber->wait_for_subscription_sync($publisher, 'charts');
is($subscriber->safe_psql('postgres', 'SET twin_privacy.maintenance = on; SELECT count(*) FROM chart'), 6, 'under maintenance everything arrives');
ok($publisher->poll_query_until('postgres', q{SELECT count(*) > 0 FROM twin_privacy.disclosures WHERE form = 'maintenance' AND tables = '{public.chart}'}), 'and the copy is recorded as maintenance');
is(seen($publisher), '10 20 30 40 50', "the publisher's consents hold there");
is(seen($subscriber), '10 20 30', "the subscriber's hold here");
like(($subscriber->psql('postgres', 'SELECT * FROM chart', extra_params => [ '-U', 'reader' ]))[2], qr/no approved use is bound/, 'which refuses whoever binds nothing');

# Changes of every kind are applied.
$publisher->safe_psql('postgres', q{SET twin_privacy.maintenance = on;
	UPDATE chart SET value = 21 WHERE id = 2; DELETE FROM chart WHERE id = 1; INSERT INTO chart VALUES (7, 3, 70, 'new')});
caught_up();
is(seen($subscriber), '21 30 70', 'inserts, updates and deletes arrive');
# A withdrawal is the subscriber's own to record: consents are not replicated.
$publisher->safe_psql('postgres', q{SELECT twin_privacy.withdraw_all_consent('3', 'left')});
caught_up();
is(seen($publisher), '21 40 50', 'a withdrawal on the publisher');
is(seen($subscriber), '21 30 70', 'is not one on the subscriber');
$subscriber->safe_psql('postgres', q{SELECT twin_privacy.withdraw_all_consent('3', 'left')});
is(seen($subscriber), '21', 'until it is recorded there');

$subscriber->stop;
$publisher->stop;
done_testing();
