// Package eventlog writes the event log (AL-02): one record a line, each a list of
// key="value" pairs that begins with UTCTime, Module, Level, Event and Detail.
//
// It exists because a log is read by machines and under attack: user names and
// other text from the wire cannot break out of their value, the same event many
// times a second becomes a count, and no value grows without bound. Records go
// to standard output, to a file that is kept from filling the disk, and to remote
// syslog servers.
package eventlog

import (
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Config says where the log goes.
type Config struct {
	Out   io.Writer // besides the file; nil: nowhere
	File  string    // empty: no file
	Level string    // debug, info, warn or error
	// Modules has the levels of parts of the program that differ from Level.
	Modules map[string]string
	Syslog  *Syslog // remote servers; nil: none
	Node    string  // added to each record as Node; empty: not
}

// Log is a node's event log. The zero value and nil log nothing.
type Log struct {
	zap    *zap.Logger
	levels *levels
	close  func() error
	stats  func() Stats
}

// New opens the log. Close does not close the remote servers.
func New(cfg Config) (*Log, error) {
	l := &Log{levels: &levels{}, close: func() error { return nil }}
	if err := l.levels.set(cfg.Level, cfg.Modules); err != nil {
		return nil, err
	}
	var outs []zapcore.WriteSyncer
	if cfg.Out != nil {
		outs = append(outs, zapcore.AddSync(cfg.Out))
	}
	if cfg.File != "" {
		f, err := openFile(cfg.File, maxFile)
		if err != nil {
			return nil, err
		}
		outs, l.close = append(outs, f), f.Close
	}
	c := &core{levels: l.levels, remote: cfg.Syslog, out: zapcore.Lock(zapcore.NewMultiWriteSyncer(outs...)), counts: &counts{}}
	f := newFlood(c)
	l.stats = func() Stats { return c.counts.stats(f.state.held.Load()) }
	l.zap = zap.New(f, zap.ErrorOutput(zapcore.Lock(zapcore.AddSync(os.Stderr))))
	if cfg.Node != "" {
		l.zap = l.zap.With(zap.String("Node", cfg.Node))
	}
	return l, nil
}

// Close closes the file.
func (l *Log) Close() error { return l.close() }

// Module returns a log whose records carry the name of a part of the program,
// "dataplane.turn".
func (l *Log) Module(name string) *Log {
	if l == nil || l.zap == nil {
		return l
	}
	return &Log{zap: l.zap.Named(name), levels: l.levels, close: l.close, stats: l.stats}
}

// Event writes a record at level INFO. kv are keys and values in turn; the key
// Detail is the sentence for people, others follow AL-02: Src-ip, Dst-port, User.
func (l *Log) Event(event string, kv ...any) { l.write(zapcore.InfoLevel, event, kv) }

// Debug writes a record at level DEBUG.
func (l *Log) Debug(event string, kv ...any) { l.write(zapcore.DebugLevel, event, kv) }

// Warn writes a record at level WARN.
func (l *Log) Warn(event string, kv ...any) { l.write(zapcore.WarnLevel, event, kv) }

// Error writes a record at level ERROR.
func (l *Log) Error(event string, kv ...any) { l.write(zapcore.ErrorLevel, event, kv) }

func (l *Log) write(level zapcore.Level, event string, kv []any) {
	if l == nil || l.zap == nil {
		return
	}
	ce := l.zap.Check(level, event)
	if ce == nil {
		return
	}
	fields := make([]zap.Field, 0, len(kv)/2)
	for i := 0; i < len(kv); i += 2 {
		key, ok := kv[i].(string)
		if !ok || i+1 == len(kv) {
			fields = append(fields, zap.Any("Misplaced", kv[i]))
			continue
		}
		fields = append(fields, field(key, kv[i+1]))
	}
	ce.Write(fields...)
}

// field keeps values as the text that people know: addresses, errors, durations.
func field(key string, value any) zap.Field {
	switch v := value.(type) {
	case error:
		return zap.String(key, v.Error())
	case fmt.Stringer:
		return zap.String(key, v.String())
	default:
		return zap.Any(key, v)
	}
}
