# ConsentModel.pm - decides a FHIR R4 (typed root) or R5 Consent, written from the
# standard's prose and from nothing of src/.
#
# A world is small on purpose: the purposes TREAT > ETREAT > BTG and HRESCH, two
# recipients, three kinds of data, one moment.
package ConsentModel;

use strict;
use warnings FATAL => 'all';

my %parent = (BTG => 'ETREAT', ETREAT => 'TREAT', TREAT => '', HRESCH => '');
my %rank = (U => 0, L => 1, M => 2, N => 3, R => 4, V => 5);

# Is the purpose asked for the named one or below it?
sub _purpose_covered
{
	my ($named, $asked) = @_;

	while (length $asked)
	{
		return 1 if $asked eq $named;
		$asked = $parent{$asked};
	}
	return 0;
}

# Conditions that must hold before a rule or those below it count.
sub _gates
{
	my ($rule, $request) = @_;

	return 0 if $rule->{purpose} && !grep { _purpose_covered($_->{code}, $request->{purposeOfUse}) } @{ $rule->{purpose} };
	return 0 if $rule->{actor} && !grep { $_->{reference}{reference} eq $request->{actor} } @{ $rule->{actor} };
	foreach my $name ('class', 'resourceType')
	{
		return 0 if $rule->{$name} && !grep { $_->{code} eq $request->{resource}{resourceType} } @{ $rule->{$name} };
	}
	if ($rule->{period})
	{
		return 0 if $rule->{period}{start} && $request->{now} lt $rule->{period}{start};
		return 0 if $rule->{period}{end} && $request->{now} gt $rule->{period}{end};
	}
	return 1;
}

# Conditions on the data: here, security labels; confidentiality is a high-water mark.
sub _data
{
	my ($rule, $effect, $request) = @_;
	my @carried = @{ $request->{resource}{security} };
	my ($level) = grep { exists $rank{$_} } @carried;

	return 1 unless $rule->{securityLabel};
	$level //= 'N';
	foreach my $label (map { $_->{code} } @{ $rule->{securityLabel} })
	{
		if (exists $rank{$label})
		{
			return 1 if $effect eq 'permit' ? $rank{$level} <= $rank{$label} : $rank{$level} >= $rank{$label};
		}
		else
		{
			return 1 if grep { $_ eq $label } @carried;
		}
	}
	return 0;
}

# What the rules below one say: undef when none matches.
sub _below
{
	my ($rule, $effect, $request, $typed) = @_;
	my $said;

	foreach my $child (@{ $rule->{provision} // [] })
	{
		my $own = $typed && $child->{type} ? $child->{type} : $effect eq 'permit' ? 'deny' : 'permit';

		next unless _gates($child, $request) && _data($child, $own, $request);
		my $says = _below($child, $own, $request, $typed) // $own;
		return 'deny' if $says eq 'deny';
		$said = $says;
	}
	return $said;
}

# The decision for one consent.
sub decide
{
	my ($consent, $request) = @_;
	my $typed = !exists $consent->{decision};
	my $root = $typed ? $consent->{provision} : $consent;
	my $effect = $typed ? $root->{type} : $consent->{decision};
	my $gates = $typed ? $root : { period => $consent->{period} };

	return 'none' unless _gates($gates, $request);
	my $said = _below($root, $effect, $request, $typed);
	return $said if defined $said;
	return $effect if !$typed || _data($root, $effect, $request);
	return $effect eq 'permit' ? 'deny' : 'none';
}

1;
