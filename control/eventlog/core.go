package eventlog

import (
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap/zapcore"
)

// core is a zapcore.Core that writes AL-02 records.
type core struct {
	*levels
	out    zapcore.WriteSyncer
	remote *Syslog
	fields []zapcore.Field
	counts *counts
}

// timeFormat is UTCTime's: milliseconds behind a comma, always UTC.
const timeFormat = "2006-01-02 15:04:05,000"

// With implements zapcore.Core.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	clone := *c
	clone.fields = slices.Concat(c.fields, fields)
	return &clone
}

// Check implements zapcore.Core.
func (c *core) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.of(e.LoggerName, e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements zapcore.Core: one record, one write.
func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	record := encode(e, slices.Concat(c.fields, fields))
	c.remote.send(e, record)
	_, err := c.out.Write(append(record, '\n'))
	c.counts.count(e.Level, err)
	return err
}

// Sync implements zapcore.Core.
func (c *core) Sync() error { return c.out.Sync() }

// encode writes the fields every record has, then Detail if there is one, then the rest.
func encode(e zapcore.Entry, fields []zapcore.Field) []byte {
	line := make([]byte, 0, 256)
	line = appendField(line, "UTCTime", e.Time.UTC().Format(timeFormat))
	line = appendField(line, "Module", e.LoggerName)
	line = appendField(line, "Level", e.Level.CapitalString())
	line = appendField(line, "Event", e.Message)
	rest := make([]Field, 0, len(fields))
	detail := ""
	for _, f := range flatten(fields) {
		if f.Key == "Detail" {
			detail = f.Value
		} else if !slices.Contains(own, f.Key) {
			rest = append(rest, f)
		} else {
			rest = append(rest, Field{"X-" + f.Key, f.Value})
		}
	}
	line = appendField(line, "Detail", detail)
	for _, f := range rest {
		line = appendField(line, f.Key, f.Value)
	}
	return line
}

// own are the keys that only encode writes.
var own = []string{"UTCTime", "Module", "Level", "Event"}

// flatten turns zap's fields into text; groups become keys joined by hyphens.
func flatten(fields []zapcore.Field) []Field {
	var out []Field
	for _, f := range fields {
		m := zapcore.NewMapObjectEncoder()
		f.AddTo(m)
		out = appendMap(out, "", m.Fields)
	}
	return out
}

func appendMap(out []Field, prefix string, m map[string]any) []Field {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		switch v := m[k].(type) {
		case map[string]any:
			out = appendMap(out, prefix+k+"-", v)
		case time.Time:
			out = append(out, Field{prefix + k, v.UTC().Format(timeFormat)})
		default:
			out = append(out, Field{prefix + k, fmt.Sprint(v)})
		}
	}
	return out
}
