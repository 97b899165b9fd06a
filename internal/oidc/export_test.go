package oidc

import (
	"maps"
	"slices"
)

// Patterns returns what a provider serves, as "METHOD /path".
func (p *Provider) Patterns() []string { return slices.Sorted(maps.Keys(p.patterns())) }
