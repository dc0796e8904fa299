package main

import (
	"context"
	"strconv"
	"time"

	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
)

// addCluster adds what xStatus tells of the cluster (facts A6, CL-17).
func addCluster(sh *cli.Shell, n interface{ Clustering() clustering.Status }) {
	sh.AddStatus(cli.Status{Name: "Cluster", Text: "The cluster, and how its configuration and database are.", Tell: func(context.Context) []cli.Element {
		return xClusterStatus(n.Clustering())
	}})
	sh.AddStatus(cli.Status{Name: "Alternates", Text: "The peers of the list, as this node sees them.", Tell: func(context.Context) []cli.Element {
		return xAlternates(n.Clustering())
	}})
}

func xClusterStatus(st clustering.Status) []cli.Element {
	out := []cli.Element{
		value("Mode", st.Mode), value("Name", st.Name), value("ID", st.ClusterID), value("ConfigurationPrimary", st.Primary),
		value("ActingPrimary", st.Acting),
		branch("TLSVerifyMode", value("Configured", xMode(st.TLS.Configured)), value("Active", xMode(st.TLS.Active))),
		value("IPVersion", st.IP), branch("Database", value("State", st.Database)),
		branch("Synchronisation", value("State", st.Synchronisation), value("Last", xTime(st.LastSync)), value("Next", xTime(st.NextSync))),
		value("RestartRequired", strconv.FormatBool(len(st.RestartRequired) > 0)), value("ResetArmed", strconv.FormatBool(st.ResetArmed)),
	}
	for _, p := range st.Peers {
		out = append(out, xPeer(p))
	}
	return out
}

func xAlternates(st clustering.Status) []cli.Element {
	out := []cli.Element{}
	for _, p := range st.Peers {
		out = append(out, xPeer(p))
	}
	return out
}

func xPeer(p clustering.Peer) cli.Element {
	return branch("Peer "+strconv.Itoa(p.Index),
		value("Address", p.Address), value("Status", printableText(p.State)), value("Cause", printableText(p.Why)),
		value("Certificate", printableText(p.Certificate)), value("Name", printableText(p.Name)), value("SerialNumber", p.ID),
		value("Resolved", p.Resolved), value("Version", printableText(p.Version)), value("Primary", strconv.FormatBool(p.Primary)),
		value("MaintenanceMode", onOff(p.Maintenance)),
		branch("Configuration", value("Generation", p.Generation), value("Revision", p.Revision), value("Digest", p.Digest),
			value("Last", xTime(p.LastSync)), value("Next", xTime(p.NextSync))),
		branch("Database", value("State", p.Database)), value("RoundTripTime", strconv.FormatFloat(p.RTT, 'f', 1, 64)),
	)
}

// xMode is the TLS mode as the sources write it (facts A10.6).
func xMode(mode string) string {
	switch config.ClusterTLS(mode) {
	case config.TLSEnforce:
		return "Enforcing"
	case config.TLSPermissive:
		return "Permissive"
	}
	return ""
}

func xTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
