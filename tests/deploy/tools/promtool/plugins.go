// Package plugins in place of Prometheus' own: the ways of finding targets that observability/prometheus.yml uses. The others
// are forty cloud SDKs, which make the build five times as long.
package plugins

import (
	_ "github.com/prometheus/prometheus/discovery/consul"
)
