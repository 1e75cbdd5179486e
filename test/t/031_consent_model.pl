# Every small FHIR consent nested to depth 3, and thousands of large ones that use
# every condition the standard has, are decided as an independent model decides
# them (test/model/ConsentModel.pm).
use strict;
use warnings FATAL => 'all';

use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/../model";
use ConsentModel;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $json = JSON::PP->new->canonical;
my $node = TwinPrivacy::Cluster->new_node('model');

my @conditions = (
	{},
	{ purpose => [ { code => 'TREAT' } ] },
	{ purpose => [ { code => 'ETREAT' }, { code => 'HRESCH' } ] },
	{ actor => [ { reference => { reference => 'Organization/a' } } ] },
	{ securityLabel => [ { code => 'N' } ] },
	{ securityLabel => [ { code => 'R' } ] },
	{ securityLabel => [ { code => 'PSY' } ] },
	{ period => { start => '2020-01-01', end => '2020-12-31' } },
);
my @kinds = (
	{ class => [ { system => 'http://hl7.org/fhir/resource-types', code => 'Observation' } ] },
	{ resourceType => [ { system => 'http://hl7.org/fhir/resource-types', code => 'Observation' } ] });

my @requests;
foreach my $purpose ('TREAT', 'BTG', 'HRESCH')
{
	foreach my $security ([], ['R'], [ 'PSY', 'R' ], ['V'])
	{
		push @requests,
		  { purposeOfUse => $purpose,
			actor => 'Organization/' . (@requests % 2 ? 'a' : 'b'),
			now => @requests % 3 ? '2020-06-01' : '2021-06-01',
			resource => { resourceType => @requests % 5 ? 'Observation' : 'Condition', security => $security }
		  };
	}
}

# Wraps provisions as R4 with typed root, or as R5.
sub r4
{
	return { resourceType => 'Consent', status => 'active', provision => shift };
}

sub r5
{
	my ($decision, @provisions) = @_;

	return { resourceType => 'Consent', status => 'active', decision => $decision,
		@provisions ? (provision => \@provisions) : () };
}

my @consents;
my @rules4 = map { my $c = $_; map { { %$c, type => $_ } } 'permit', 'deny' } @conditions, $kinds[0];
my @rules5 = (@conditions, $kinds[1]);

# R4: every chain of three, and every root with two rules below it.
foreach my $root (@rules4)
{
	foreach my $child (@rules4)
	{
		foreach my $third (@rules4)
		{
			push @consents, r4({ %$root, provision => [ { %$child, provision => [$third] } ] });
			push @consents, r4({ %$root, provision => [ $child, $third ] });
		}
	}
}
# R5: every chain of three, every pair of exceptions, and an exception with two below it.
foreach my $decision ('permit', 'deny')
{
	foreach my $first (@rules5)
	{
		foreach my $second (@rules5)
		{
			push @consents, r5($decision, $first, $second);
			foreach my $third (@rules5)
			{
				push @consents, r5($decision, { %$first, provision => [ { %$second, provision => [$third] } ] });
				push @consents, r5($decision, { %$first, provision => [ $second, $third ] });
			}
		}
	}
}

# Compares the engine's answers, a letter a request, with the model's.
sub compare
{
	my ($name, $least, $consents, $requests) = @_;
	my $sql = "CREATE TEMP TABLE request AS SELECT ordinality AS nr, value AS r FROM jsonb_array_elements('"
	  . $json->encode($requests) . "'::jsonb) WITH ORDINALITY;\n"
	  . "CREATE TEMP TABLE consent (nr serial, c jsonb);\nCOPY consent (c) FROM stdin;\n"
	  . join("\n", map { $json->encode($_) } @$consents) . "\n\\.\n"
	  . "SELECT string_agg(left(twin_privacy.evaluate_consent(c, r), 1), '' ORDER BY request.nr)\n"
	  . "  FROM consent, request GROUP BY consent.nr ORDER BY consent.nr;\n";
	my @got = split /\n/, $node->safe_psql('postgres', $sql);
	my @wrong;
	my %seen;

	is(scalar @got, scalar @$consents, "$name: " . scalar(@$consents) . ' consents are decided');
	foreach my $i (0 .. $#$consents)
	{
		my $expected = join '', map { substr ConsentModel::decide($consents->[$i], $_), 0, 1 } @$requests;

		$seen{$_}++ foreach split //, $expected;
		push @wrong, $json->encode($consents->[$i]) . " expected $expected got $got[$i]" if $got[$i] ne $expected;
	}
	is(scalar @wrong, 0, "$name: as the model decides them")
	  or diag(join "\n", @wrong[ 0 .. ($#wrong > 4 ? 4 : $#wrong) ]);
	cmp_ok($seen{$_} // 0, '>', $least, "$name: answers of all kinds were expected ($_)") foreach 'p', 'd', 'n';
	return;
}

compare('small', 1000, \@consents, \@requests);

# Large ones, by a generator of our own: rand() differs between perls, and a case must come again.
my $seed = 20261125;

sub any
{
	my @choices = @_;

	$seed = ($seed * 1103515245 + 12345) % 2147483648;
	return $choices[ ($seed >> 8) % @choices ];
}

sub chance { return any(1 .. 100) <= shift }

sub coding
{
	my ($system, @codes) = @_;

	return { ($system ? (system => $system) : ()), code => any(@codes) };
}

sub period
{
	my @days = ('2021-01-01', '2021-06-15', '2022-01-01', '2022-12-31');
	my $start = any(0 .. $#days);

	return any({ start => $days[$start] }, { end => $days[$start] },
		{ start => $days[$start], end => any(@days[ $start .. $#days ]) });
}

sub conditions
{
	my $version = shift;
	my $roles = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';
	my %rule;

	$rule{purpose} = [ map { coding(undef, 'TREAT', 'ETREAT', 'BTG', 'HRESCH') } 1 .. any(1, 2) ] if chance(30);
	$rule{actor} = [ { role => { coding => [ coding($roles, any([ 'IRCP', 'PRCP' ], ['AUT'])->@*) ] },
			reference => { reference => any('Practitioner/p', 'Practitioner/q', 'Organization/a') } } ] if chance(25);
	$rule{ $version == 4 ? 'class' : 'resourceType' } =
	  [ coding('http://hl7.org/fhir/resource-types', 'Observation', 'Condition', 'DocumentReference') ] if chance(15);
	$rule{code} = [ { coding => [ coding('http://loinc.org', '74013-4', '29463-7') ] } ] if chance(10);
	$rule{securityLabel} = [ map { coding(undef, 'L', 'N', 'R', 'V', 'PSY', 'SUD', 'SPI', 'HIV') } 1 .. any(1, 2) ] if chance(30);
	$rule{data} = [ any({ meaning => 'instance', reference => { reference => any('Observation/1', 'Condition/2') } },
			{ meaning => 'related', reference => { reference => any('Encounter/1', 'Encounter/2', 'Condition/2') } },
			{ meaning => 'authoredby', reference => { reference => any('Practitioner/p', 'Practitioner/w') } }) ] if chance(15);
	$rule{dataPeriod} = period() if chance(15);
	$rule{period} = period() if chance(15);
	return \%rule;
}

sub rule
{
	my ($version, $depth) = @_;
	my $rule = conditions($version);

	$rule->{type} = any('permit', 'deny') if $version == 4 && chance(85);
	$rule->{provision} = [ map { rule($version, $depth + 1) } 1 .. any(1, 2, 3) ] if $depth < 4 && chance(50);
	return $rule;
}

sub consent
{
	my $kind = any('typed', 'typeless', 'r5');
	my $root = conditions(4);

	return { %{ r5(any('permit', 'deny'), map { rule(5, 1) } 1 .. any(0, 1, 2, 3)) }, chance(30) ? (period => period()) : () }
	  if $kind eq 'r5';
	$root->{provision} = [ map { rule(4, 1) } 1 .. any(1, 2, 3) ] if chance(80);
	return r4({ %$root, type => any('permit', 'deny') }) if $kind eq 'typed';
	return { resourceType => 'Consent', status => 'active', policyRule => { coding => [ coding(undef, 'OPTIN', 'OPTOUT') ] },
		chance(90) ? (provision => $root) : () };
}

my @large_requests = map {
	my $kind = any('Observation/1', 'Condition/2', 'DocumentReference/3');

	{ purposeOfUse => any('TREAT', 'ETREAT', 'BTG', 'HRESCH'), actor => any('Practitioner/p', 'Practitioner/q', 'Organization/a'),
		now => any('2020-12-31', '2021-01-01', '2021-06-15', '2022-07-01', '2022-12-31'),
		resource => { reference => $kind, resourceType => $kind =~ s{/.*}{}r,
			security => any(['N'], ['R'], ['V'], [ 'PSY', 'R' ], [ 'ETHUD', 'N' ], [ 'HIV', 'V' ]),
			codes => any(['74013-4'], ['29463-7'], ['1-1']), author => any(['Practitioner/w'], ['Practitioner/p']),
			encounter => any('Encounter/1', 'Encounter/2'), date => any('2020-01-01', '2021-03-01', '2021-06-15', '2022-06-13') } }
} 1 .. 24;

compare('large', 1000, [ map { consent() } 1 .. 4000 ], \@large_requests);

$node->stop;
done_testing();
