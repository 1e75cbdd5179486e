# The worked example of HL7's Consent page, its 13 decisions, told by record_consent
# and asked of decide() and of a table with row labels.
use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $example = decode_json(slurp_file("$ENV{TWIN_PRIVACY_DATA}/consent-oracle/spec_example_cases.json"));
my $node = TwinPrivacy::Cluster->new_node('hl7');

# The consent: OrgA may have everything until the end of 2022, but nothing for
# marketing, nothing restricted, and for payment only claims. The last, an exception to
# an exception, becomes a deny of every top category but that of claims.
$node->safe_psql('postgres', q{
	SELECT twin_privacy.add_category('claim', NULL, 'claims and accounts');
	CREATE ROLE hl7_registrar LOGIN IN ROLE twin_privacy_registrar});
my $orga = q{recipients => '{Organization/OrgA}', valid => '[2020-01-01,2023-01-01)'};
$node->safe_psql('postgres', qq{
	SELECT twin_privacy.record_consent('1', decision => 'permit', purpose => 'PurposeOfUse', $orga);
	SELECT twin_privacy.record_consent('1', decision => 'deny', purpose => 'HMARKT', $orga);
	SELECT twin_privacy.record_consent('1', decision => 'deny', purpose => 'PurposeOfUse', categories => '{sensitive}', $orga);
	SELECT twin_privacy.record_consent('1', decision => 'deny', purpose => 'HPAYMT', $orga,
	    categories => (SELECT array_agg(code) FROM twin_privacy.categories WHERE parent IS NULL AND code <> 'claim'))},
	extra_params => [ '-U', 'hl7_registrar' ]);

my %category = (Observation => 'laboratory', map { $_ => 'claim' } qw(Claim ClaimResponse Account));
my %expected = (permit => 'permit', deny => 'deny', 'not-applicable' => 'none');
is(scalar @{ $example->{cases} }, 13, 'there are 13 cases');
for my $case (@{ $example->{cases} })
{
	my $request = $case->{request};
	my @categories = ($category{ $request->{resourceType} });
	push @categories, 'sensitive' if $request->{confidentiality} eq 'R';

	# A row needs all its categories: one deny denies, and all must permit.
	my @decisions = map {
		$node->safe_psql('postgres', "SELECT twin_privacy.decide('1', '$request->{purposeOfUse}', '$_', '$request->{actor}', at => '$request->{now} 12:00')")
	} @categories;
	my $decision = (grep { $_ eq 'deny' } @decisions) ? 'deny' : (grep { $_ ne 'permit' } @decisions) ? 'none' : 'permit';
	is($decision, $expected{ $case->{expected} }, "$case->{id}: $case->{why}");
}

# The same as rows: a table of each kind, labelled N and R, as two uses see it.
$node->safe_psql('postgres', q{
	CREATE ROLE hl7_one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE hl7_two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE hl7_reader LOGIN;
	CREATE TABLE observation (id int, patient_id int, label text);
	INSERT INTO observation VALUES (1, 1, 'N'), (2, 1, 'R'), (3, 1, 'V'), (4, 1, 'U'), (5, 1, 'PSY'), (6, 1, NULL);
	CREATE TABLE claim AS TABLE observation;
	GRANT SELECT ON observation, claim TO hl7_reader;
	SELECT twin_privacy.protect_table('observation', subject => 'patient_id', category => 'laboratory', label_column => 'label');
	SELECT twin_privacy.protect_table('claim', subject => 'patient_id', category => 'claim', label_column => 'label')});
my $now = q{valid => '[2020-01-01,2100-01-01)'};
$node->safe_psql('postgres', qq{
	SELECT twin_privacy.withdraw_all_consent('1', 'period over');
	SELECT twin_privacy.record_consent('1', decision => 'permit', purpose => 'PurposeOfUse', recipients => '{Organization/OrgA}', $now);
	SELECT twin_privacy.record_consent('1', decision => 'deny', purpose => 'HMARKT', $now);
	SELECT twin_privacy.record_consent('1', decision => 'deny', purpose => 'PurposeOfUse', categories => '{sensitive}', $now);
	SELECT twin_privacy.record_consent('1', decision => 'deny', purpose => 'HPAYMT', $now,
	    categories => (SELECT array_agg(code) FROM twin_privacy.categories WHERE parent IS NULL AND code <> 'claim'))},
	extra_params => [ '-U', 'hl7_registrar' ]);
my %rows = (
	'TREAT Organization/OrgA' => [ '1 4 6', '1 4 6' ],
	'HMARKT Organization/OrgA' => [ '', '' ],
	'HPAYMT Organization/OrgA' => [ '', '1 4 6' ],
	'TREAT Organization/OrgB' => [ '', '' ]);
my $n = 0;
for my $asked (sort keys %rows)
{
	my ($purpose, $recipient) = split / /, $asked;
	my $use = 'U' . ++$n;
	$node->safe_psql('postgres', "SELECT twin_privacy.propose_use('$use', purpose => '$purpose', recipient => '$recipient', disclosure => 'identified', categories => '{laboratory,claim,sensitive}', $now)",
		extra_params => [ '-U', 'hl7_one' ]);
	$node->safe_psql('postgres', "SELECT twin_privacy.approve_use('$use'); SELECT twin_privacy.grant_use('$use', 'hl7_reader')",
		extra_params => [ '-U', 'hl7_two' ]);
	for my $table (qw(observation claim))
	{
		is( $node->safe_psql('postgres', "SET twin_privacy.use = '$use'; SELECT string_agg(id::text, ' ' ORDER BY id) FROM $table",
				extra_params => [ '-U', 'hl7_reader' ]),
			$rows{$asked}[ $table eq 'claim' ], "$asked: rows of table $table");
	}
}

$node->stop;
done_testing();
