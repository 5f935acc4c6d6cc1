package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"barrage/configs"
)

func addConfigFlag(cmd *cobra.Command) {
	cmd.Flags().String("config", "", "YAML file with settings, see configs/ for examples (or "+configs.EnvConfig+")")
}

// loadConfig reads the settings of a command that has flags for some.
func loadConfig(cmd *cobra.Command) (*configs.Config, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	if file == "" {
		file = os.Getenv(configs.EnvConfig)
	}
	return configs.Load(cmd.Flags(), file, os.Environ())
}

func newSettingsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "settings",
		Short: "List every setting of a node",
		Long: `List every setting of a node: its key in the YAML file, its default and its
flag. The environment variable is BARRAGE_ and the key in capitals with _ for
the dot: stream.heartbeat is BARRAGE_STREAM_HEARTBEAT.`,
		Args: argsAre(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "KEY\tDEFAULT\tFLAG\tWHAT IT DOES")
			for _, s := range configs.Settings() {
				help := s.Help
				if s.Choices != nil {
					help += " (" + strings.Join(s.Choices, ", ") + ")"
				}
				fmt.Fprintf(w, "%s\t%s\t--%s\t%s\n", s.Key, s.Default, s.Flag, help)
			}
			return w.Flush()
		},
	}
}
