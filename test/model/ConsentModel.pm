# ConsentModel.pm - decides a FHIR R4 or R5 Consent, written from the standard's
# prose and from nothing of src/.
#
# A world is small on purpose: the purposes TREAT > ETREAT > BTG and HRESCH, few
# recipients and authors, three kinds of data, ISO dates compared as text.
package ConsentModel;

use strict;
use warnings FATAL => 'all';

my %parent = (BTG => 'ETREAT', ETREAT => 'TREAT', TREAT => '', HRESCH => '');
my %label_parent = (ETHUD => 'SUD', SUD => 'SPI', PSY => 'SPI', SPI => '');
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

# Is the sensitivity label carried the named one or below it?
sub _label_covered
{
	my ($named, $carried) = @_;

	while (length $carried)
	{
		return 1 if $carried eq $named;
		$carried = $label_parent{$carried} // '';
	}
	return 0;
}

# Does a day lie in a period, bounds included?
sub _within
{
	my ($period, $day) = @_;

	return !($period->{start} && $day lt $period->{start}) && !($period->{end} && $day gt $period->{end});
}

# Is the actor of a rule the one who asks, or who wrote the data?
sub _actor_matches
{
	my ($actor, $request) = @_;
	my $role = $actor->{role} ? $actor->{role}{coding}[0]{code} : 'IRCP';
	my $reference = $actor->{reference}{reference};

	return $reference eq $request->{actor} if $role eq 'IRCP' || $role eq 'PRCP';
	return scalar grep { $_ eq $reference } @{ $request->{resource}{author} };
}

# Conditions that must hold before a rule or those below it count.
sub _gates
{
	my ($rule, $request) = @_;

	return 0 if $rule->{purpose} && !grep { _purpose_covered($_->{code}, $request->{purposeOfUse}) } @{ $rule->{purpose} };
	return 0 if $rule->{actor} && !grep { _actor_matches($_, $request) } @{ $rule->{actor} };
	return 0 if $rule->{code} && !grep { my $code = $_->{coding}[0]{code}; grep { $_ eq $code } @{ $request->{resource}{codes} } } @{ $rule->{code} };
	foreach my $name ('class', 'resourceType')
	{
		return 0 if $rule->{$name} && !grep { $_->{code} eq $request->{resource}{resourceType} } @{ $rule->{$name} };
	}
	return $rule->{period} ? _within($rule->{period}, $request->{now}) : 1;
}

# Conditions on the data: labels, what it is or belongs to or who wrote it, its clinical date.
sub _data
{
	my ($rule, $effect, $request) = @_;
	my $resource = $request->{resource};
	my %is = (
		instance => sub { $_[0] eq $resource->{reference} },
		related => sub { $_[0] eq $resource->{reference} || $_[0] eq $resource->{encounter} },
		authoredby => sub { my $who = shift; grep { $_ eq $who } @{ $resource->{author} } });

	return 0 unless _labels($rule, $effect, $request);
	return 0 if $rule->{data} && !grep { $is{ $_->{meaning} }->($_->{reference}{reference}) } @{ $rule->{data} };
	return $rule->{dataPeriod} ? _within($rule->{dataPeriod}, $resource->{date}) : 1;
}

# Security labels; confidentiality is a high-water mark.
sub _labels
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
			return 1 if grep { _label_covered($label, $_) } @carried;
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

# The decision of an R4 consent whose root is an exception to a base policy.
sub _decide_typeless
{
	my ($consent, $request) = @_;
	my $root = $consent->{provision};
	my $base = $consent->{policyRule}{coding}[0]{code} eq 'OPTIN' ? 'permit' : 'deny';
	my $effect = $base eq 'permit' ? 'deny' : 'permit';

	return $base unless $root && _gates($root, $request) && _data($root, $effect, $request);
	return _below($root, $effect, $request, 1) // $effect;
}

# The decision for one consent.
sub decide
{
	my ($consent, $request) = @_;
	my $typed = !exists $consent->{decision};

	return _decide_typeless($consent, $request) if $consent->{policyRule};
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
