# Every small FHIR consent nested to depth 3 is decided as an independent model
# decides it (test/model/ConsentModel.pm).
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

# The engine's answers, a line a consent: the first letter of each request's answer.
my $sql = "CREATE TEMP TABLE request AS SELECT ordinality AS nr, value AS r FROM jsonb_array_elements('"
  . $json->encode(\@requests) . "'::jsonb) WITH ORDINALITY;\n"
  . "CREATE TEMP TABLE consent (nr serial, c jsonb);\nCOPY consent (c) FROM stdin;\n"
  . join("\n", map { $json->encode($_) } @consents) . "\n\\.\n"
  . "SELECT string_agg(left(twin_privacy.evaluate_consent(c, r), 1), '' ORDER BY request.nr)\n"
  . "  FROM consent, request GROUP BY consent.nr ORDER BY consent.nr;\n";
my @got = split /\n/, $node->safe_psql('postgres', $sql);
my @wrong;

is(scalar @got, scalar @consents, scalar(@consents) . ' consents are decided');
my %seen;
foreach my $i (0 .. $#consents)
{
	my $expected = join '', map { substr ConsentModel::decide($consents[$i], $_), 0, 1 } @requests;

	$seen{$_}++ foreach split //, $expected;
	push @wrong, $json->encode($consents[$i]) . " expected $expected got $got[$i]" if $got[$i] ne $expected;
}
is(scalar @wrong, 0, 'as the model decides them') or diag(join "\n", @wrong[ 0 .. ($#wrong > 4 ? 4 : $#wrong) ]);
cmp_ok($seen{$_} // 0, '>', 1000, "answers of all kinds were expected ($_)") foreach 'p', 'd', 'n';

$node->stop;
done_testing();
