package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"milagro.dev/internal/dkg"
)

func ceremonyCommand() *cobra.Command {
	return group("ceremony", "make a master key that nobody knows",
		`From the cards of n authorities to a trust domain that any t of them can serve:
plan it, have each operator sign the plan at his own authority, then run it. Who
plans and runs is trusted with nothing; the authorities check each other.`,
		"  milagro ceremony plan --domain example.org --out plan.txt alpha.card beta.card gamma.card\n  milagro ceremony run plan.txt --out domain.json",
		ceremonyPlanCommand(), ceremonySignCommand(), ceremonyRunCommand(), ceremonyVerifyCommand(), ceremonyBlameCommand())
}

func readPlan(cmd *cobra.Command, path string) (*dkg.Plan, error) {
	b, err := readArmour(path, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	plan, err := dkg.ParsePlan(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return plan, nil
}
