# FHIR Consent against oracles: HL7's worked example, IHE's Privacy Consent on
# FHIR, and every official R4 and R5 example imported, or refused for a reason.
use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $data = $ENV{TWIN_PRIVACY_DATA};
my $json = JSON::PP->new->canonical;
my $node = TwinPrivacy::Cluster->new_node('fhir');

sub read_json
{
	return $json->decode(slurp_file(shift));
}

# Quotes a value as a jsonb literal.
sub jsonb
{
	my $text = $json->encode(shift);

	$text =~ s/'/''/g;
	return "'$text'::jsonb";
}

# Evaluates [consent, request] pairs in one session.
sub evaluate
{
	my @pairs = @_;

	return split /\n/, $node->safe_psql(
		'postgres',
		join '',
		map { 'SELECT twin_privacy.evaluate_consent(' . jsonb($_->[0]) . ', ' . jsonb($_->[1]) . ");\n" } @pairs);
}

# 1. HL7's worked example, in R4 and in R5.
{
	my $spec = read_json("$data/consent-oracle/spec_example_cases.json");

	foreach my $version ('consent_r4', 'consent_r5')
	{
		my @got = evaluate(map { [ $spec->{$version}, $_->{request} ] } @{ $spec->{cases} });

		foreach my $case (@{ $spec->{cases} })
		{
			my $expected = $case->{expected} eq 'not-applicable' ? 'none' : $case->{expected};

			is(shift @got, $expected, "$version $case->{id}: $case->{why}");
		}
	}
}

# 2. IHE PCF: a decision service that answers no is right to deny or not to know.
{
	my $pcf = read_json("$data/consent-oracle/pcf_cases.json");
	my %consents;
	my @wrong;

	foreach my $case (@{ $pcf->{cases} })
	{
		my $file = $case->{consent} =~ s{/}{-}r;

		$consents{ $case->{consent} } //= read_json("$data/consent-oracle/ihe-pcf/json/$file.json");
	}
	my @got = evaluate(map { [ $consents{ $_->{consent} }, $_->{request} ] } @{ $pcf->{cases} });
	is(scalar @got, scalar @{ $pcf->{cases} }, 'PCF: every case has an answer');
	foreach my $case (@{ $pcf->{cases} })
	{
		my $got = shift @got;

		push @wrong, "$case->{id}: $got" if ($got eq 'permit') != ($case->{expected} eq 'permit');
	}
	is_deeply(\@wrong, [], 'PCF: every case is decided as expected');
}

# 3. Every official example imports, or is refused for the reason stated here.
my %refusals = (
	'json/Consent-ex-consent-intermediate-purpose.json' =>
	  qr/cannot express Consent\.provision\.purpose\[0\]: its code system has no purposes known here/);
my @examples = (glob("$data/fhir-consent-examples/R4/Consent-*.json"),
	glob("$data/fhir-consent-examples/R5/consent-example*.json"),
	glob("$data/consent-oracle/ihe-pcf/json/Consent-*.json"));
cmp_ok(scalar @examples, '>=', 24, 'there are examples');
foreach my $file (@examples)
{
	my ($name) = $file =~ m{([^/]+/[^/]+)$};
	my $resource = read_json($file);
	my ($rc, $id, $err) =
	  $node->psql('postgres', 'SELECT twin_privacy.import_consent(' . jsonb($resource) . ')');

	if ($refusals{$name})
	{
		isnt($rc, 0, "$name is refused");
		like($err, $refusals{$name}, "$name is refused for the stated reason");
		next;
	}
	is($rc, 0, "$name imports") or diag($err);
	is( $node->safe_psql('postgres', "SELECT evidence = " . jsonb($resource) . " FROM twin_privacy.consents WHERE consent_id = $id"),
		't', "$name is kept as evidence");

	($rc, undef, $err) =
	  $node->psql('postgres', 'SELECT twin_privacy.import_consent(' . jsonb($resource) . ')');
	like($err, qr/this resource is already imported/, "$name is not imported twice");

	# Round trip: what is exported means the same, term by term, when it is read again.
	is( $node->safe_psql(
			'postgres', qq{
			BEGIN;
			SELECT twin_privacy.withdraw_consent($id, 'exported') IS NULL;
			SELECT twin_privacy.import_consent(jsonb_set(e, '{status}', '"active"')) AS again
			  FROM twin_privacy.consents c, twin_privacy.export_consents(c.subject) e
			 WHERE c.consent_id = $id AND e #>> '{identifier,0,value}' = '$id' \\gset
			SELECT o.terms_id = n.terms_id AND o.given_at = n.given_at
				AND o.valid_from = n.valid_from AND o.valid_until = n.valid_until
			  FROM twin_privacy_internal.directive o, twin_privacy_internal.directive n
			 WHERE o.consent_id = $id AND n.consent_id = :again;
			ROLLBACK}),
		"f\nt", "$name survives the round trip");
}

# 4. What cannot be expressed is refused, and nothing is stored.
my $base = {
	resourceType => 'Consent',
	status => 'active',
	patient => { reference => 'Patient/refused' },
	provision => { type => 'permit' }
};
my @refused = (
	[ { status => 'inactive' }, qr/cannot express Consent\.status/ ],
	[ { provision => {} }, qr/cannot express Consent\.provision\.type/ ],
	[ { modifierExtension => [ {} ] }, qr/cannot express Consent\.modifierExtension/ ],
	[ { provision => { type => 'maybe' } }, qr/Consent\.provision\.type is neither permit nor deny/ ],
	[ { provision => { type => 'permit', unless => 1 } }, qr/cannot express Consent\.provision\.unless/ ],
	[   { provision => { type => 'permit', purpose => [ { code => 'NOSUCH' } ] } },
		qr/cannot express Consent\.provision\.purpose\[0\]: the purpose is unknown here/
	],
	[   { provision => { type => 'permit', provision => [ { type => 'deny', securityLabel => [ { code => 'XYZ' } ] } ] } },
		qr/cannot express Consent\.provision\.provision\[0\]\.securityLabel\[0\]/
	],
	[   { provision => { type => 'permit', actor => [ { reference => { reference => 'Group/x' } } ] } },
		qr/cannot express Consent\.provision\.actor\[0\]\.reference: the members/
	],
	[   { provision => { type => 'permit', actor => [ { role => { coding => [ { code => 'NOROLE' } ] }, reference => { reference => 'A/x' } } ] } },
		qr/cannot express Consent\.provision\.actor\[0\]\.role\.coding\[0\]: the role/
	],
	[   { provision => { type => 'permit', period => { start => '2026-02-01', end => '2026-01-01' } } },
		qr/Consent\.provision\.period ends before it starts/
	],
	[   { provision => { type => 'permit', period => { start => 'soon' } } },
		qr/Consent\.provision\.period\.start is not a date/
	],
	[ { resourceType => 'Patient' }, qr/Consent\.resourceType is not Consent/ ],
	[ { scope => { coding => [ { code => 'adr' } ] } }, qr/cannot express Consent\.scope\.coding\[0\]/ ],
);
foreach my $case (@refused)
{
	my ($change, $reason) = @$case;
	my ($rc, $out, $err) =
	  $node->psql('postgres', 'SELECT twin_privacy.import_consent(' . jsonb({ %$base, %$change }) . ')');

	isnt($rc, 0, 'refused');
	like($err, $reason, 'with its path');
}
is( $node->safe_psql('postgres', q{SELECT count(*) FROM twin_privacy.consents WHERE subject = 'refused'}),
	'0', 'nothing of it is stored');

# 5. A group in the resource means its members.
my $grouped = {
	%$base,
	contained => [
		{   resourceType => 'Group',
			id => 'g',
			member => [ { entity => { reference => 'Practitioner/a' } }, { entity => { reference => 'Practitioner/b' } } ]
		}
	],
	provision => { type => 'permit', actor => [ { reference => { reference => '#g' } } ] }
};
is( join(' ', evaluate(map { [ $grouped, { purposeOfUse => 'TREAT', actor => "Practitioner/$_" } ] } 'a', 'b', 'c')),
	'permit permit none', 'a contained group means its members');

# 6. Several consents.
my %deny = (%$base, dateTime => '2020-01-01', provision => { type => 'deny' });
my %permit = (%$base, dateTime => '2021-01-01');
my $request = jsonb({ purposeOfUse => 'TREAT', actor => 'Practitioner/a' });
my $both = jsonb([ \%permit, \%deny ]);
is($node->safe_psql('postgres', "SELECT twin_privacy.evaluate_consent($both, $request)"),
	'deny', 'a deny overrides');
is( $node->safe_psql(
		'postgres',
		"SET twin_privacy.consent_combining = latest; SELECT twin_privacy.evaluate_consent($both, $request)"),
	'permit', 'or the latest decides');

$node->stop;
done_testing();
