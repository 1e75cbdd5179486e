# Suspended portals: a driver that asks for a few rows and executes the portal
# again gets the rest from PostgreSQL's store or from a query that runs on.
# Either way it must follow the binding, the acting role, uses and consents.
use strict;
use warnings FATAL => 'all';

use Test::More;
use TwinPrivacy::Cluster;
use TwinPrivacy::Protocol;

my $node = TwinPrivacy::Cluster->new_node('portals', conf => "autovacuum = off\n");

$node->safe_psql('postgres', q{
	CREATE ROLE po_one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE po_two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE po_none;
	CREATE ROLE po_doctor LOGIN;
	GRANT po_none TO po_doctor;
	CREATE TABLE stay (patient int, note text);
	INSERT INTO stay SELECT n, 'note ' || n FROM generate_series(1, 4) n;
	GRANT SELECT, UPDATE ON stay TO po_doctor, po_none;
	SELECT twin_privacy.protect_table('stay', subject => 'patient', category => 'clinical');
	CREATE FUNCTION gather() RETURNS SETOF text LANGUAGE plpgsql AS
		$$DECLARE s record; BEGIN FOR s IN SELECT note FROM stay LOOP RETURN NEXT s.note; END LOOP; END$$;
	SET SESSION AUTHORIZATION po_one;
	SELECT twin_privacy.propose_use('WARD', purpose => 'TREAT', recipient => 'ward', categories => '{clinical}', disclosure => 'identified', valid => '(,)');
	SET SESSION AUTHORIZATION po_two;
	SELECT twin_privacy.approve_use('WARD');
	SELECT twin_privacy.grant_use('WARD', 'po_doctor');
	RESET SESSION AUTHORIZATION;
	SELECT twin_privacy.record_consent(n::text, 'permit', 'TREAT', valid => '(,)') FROM generate_series(1, 4) n;
});

my %portals = (
	'a SELECT' => [ '', 'SELECT note FROM stay' ],
	'UPDATE RETURNING' => [ '', 'UPDATE stay SET note = note RETURNING note' ],
	'a writing CTE' => [ '', 'WITH u AS (UPDATE stay SET note = note RETURNING note) SELECT note FROM u' ],
	'EXECUTE' => [ 'PREPARE q AS SELECT note FROM stay', 'EXECUTE q' ],
	'EXECUTE of an UPDATE RETURNING' => [ 'PREPARE q AS UPDATE stay SET note = note RETURNING note', 'EXECUTE q' ],
	'FETCH' => [ 'DECLARE c CURSOR FOR SELECT note FROM stay', 'FETCH ALL FROM c' ],
	'a function that gathers' => [ '', 'SELECT * FROM gather()' ],
	'EXECUTE of a function that gathers' => [ 'PREPARE q AS SELECT * FROM gather()', 'EXECUTE q' ]);
my %changes = (
	'nothing' => sub { },
	'unbinding' => sub { $_[0]->query("SET twin_privacy.use = ''") },
	'SET ROLE' => sub { $_[0]->query('SET ROLE po_none') },
	'set_config of the role' => sub { $_[0]->query("SELECT set_config('role', 'po_none', true)") },
	'a withdrawal elsewhere' => sub { $node->safe_psql('postgres', "SELECT twin_privacy.withdraw_all_consent('3', 'test')") },
	'a use suspended elsewhere' => sub { $node->safe_psql('postgres', "SELECT twin_privacy.suspend_use('WARD', 'test')") });

foreach my $portal (sort keys %portals)
{
	foreach my $change (sort keys %changes)
	{
		my ($before, $sql) = @{ $portals{$portal} };
		my $client = TwinPrivacy::Protocol->new($node, 'postgres', 'po_doctor');

		$client->query("SET twin_privacy.use = 'WARD'");
		$client->query('BEGIN');
		$client->query($before) if $before;
		is($client->open_portal('p', $sql, 1), 'note 1 suspended', "$portal: one row");
		$changes{$change}->($client);
		if ($change eq 'nothing')
		{
			is($client->resume_portal('p'), 'note 2 note 3 note 4', "$portal: the rest");
		}
		else
		{
			# a query that runs on goes on with what is open
			my $open = $change =~ /withdrawal/ && $portal =~ /SELECT/ ? qr/note 2 note 4/ : qr/TP00\d|55000/;
			like($client->resume_portal('p'), qr/^($open)$/, "$portal: follows $change");
		}
		$client->close_connection;
		$node->safe_psql('postgres', "SELECT twin_privacy.record_consent('3', 'permit', 'TREAT', valid => '(,)')") if $change =~ /withdrawal/;
		$node->safe_psql('postgres', "SELECT twin_privacy.resume_use('WARD')") if $change =~ /suspended/;
	}
}

# rows of a table that is not protected, where a policy asks what is permitted
$node->safe_psql('postgres', q{
	CREATE TABLE visit AS SELECT n AS patient, 'visit ' || n AS day FROM generate_series(1, 4) n;
	ALTER TABLE visit ENABLE ROW LEVEL SECURITY;
	CREATE POLICY permitted ON visit USING (twin_privacy.permits(patient, 'clinical'));
	GRANT SELECT ON visit TO po_doctor, po_none;
});
foreach my $change (sort keys %changes)
{
	my %cursors = (
		'a scan' => 'c CURSOR FOR SELECT day FROM visit',
		'a sort' => 'c CURSOR FOR SELECT day FROM visit ORDER BY day',
		'a scroll cursor' => 'c SCROLL CURSOR FOR SELECT day FROM (SELECT day FROM visit OFFSET 0) v',
		'a held cursor' => 'c CURSOR WITH HOLD FOR SELECT day FROM visit',
		'revealed values' => "c CURSOR FOR SELECT twin_privacy.reveal(note, patient, 'clinical') AS day FROM (VALUES (1, 'visit 1'), (2, 'visit 2'), (3, 'visit 3'), (4, 'visit 4')) v(patient, note) ORDER BY patient");

	foreach my $cursor (sort keys %cursors)
	{
		my $client = TwinPrivacy::Protocol->new($node, 'postgres', 'po_doctor');

		$client->query("SET twin_privacy.use = 'WARD'");
		$client->query('BEGIN');
		$client->query("DECLARE $cursors{$cursor}");
		$client->query('FETCH 1 FROM c');
		$client->query('COMMIT; BEGIN') if $cursor eq 'a held cursor';
		$changes{$change}->($client);
		my $rest = $client->open_portal('p', 'FETCH ALL FROM c', 0);

		if ($change eq 'nothing')
		{
			like($rest, qr/visit 2 visit 3 visit 4/, "$cursor over permitted rows: the rest");
		}
		else
		{
			my $open = $change =~ /withdrawal/ && $cursor =~ /scan|scroll/ ? qr/visit 2 visit 4\D*/ : qr/TP00\d|55000/;
			like($rest, qr/^($open)$/, "$cursor over permitted rows follows $change");
		}
		$client->close_connection;
		$node->safe_psql('postgres', "SELECT twin_privacy.record_consent('3', 'permit', 'TREAT', valid => '(,)')") if $change =~ /withdrawal/;
		$node->safe_psql('postgres', "SELECT twin_privacy.resume_use('WARD')") if $change =~ /suspended/;
	}
}

# PostgreSQL's error for a closed portal says what to do
{
	my ($out, $err);

	$node->psql('postgres', q{
		SET twin_privacy.use = 'WARD';
		BEGIN;
		DECLARE c CURSOR WITH HOLD FOR SELECT note FROM stay;
		COMMIT;
		SET twin_privacy.use = '';
		FETCH ALL FROM c;
	}, stdout => \$out, stderr => \$err, extra_params => [ '-U', 'po_doctor' ]);
	is($out, '', 'a held cursor after unbinding');
	like($err, qr/ERROR: .*portal "c" cannot be run\n.*HINT: .*declare the cursor anew/s, 'says what to do');
}

# what keeps rows is not disturbed by other news
{
	my $client = TwinPrivacy::Protocol->new($node, 'postgres', 'po_doctor');

	$client->query("SET twin_privacy.use = 'WARD'");
	$client->query('BEGIN');
	$client->open_portal('p', 'UPDATE stay SET note = note RETURNING note', 1);
	$node->safe_psql('postgres', 'ANALYZE stay; CREATE TABLE other (); DROP TABLE other');
	is($client->resume_portal('p'), 'note 2 note 3 note 4', 'the rest after news of other tables');
	$client->close_connection;
}
$node->stop;
done_testing();
