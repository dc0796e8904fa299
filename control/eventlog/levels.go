package eventlog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// levels says what is written of whom: the level of the longest prefix of a module's
// name, "dataplane.turn" before "dataplane", and else the node's. It changes while
// records are written.
type levels struct{ now atomic.Pointer[levelTable] }

type levelTable struct {
	node    zapcore.Level
	least   zapcore.Level // of all
	modules []moduleLevel // longest name first
}

type moduleLevel struct {
	module string
	level  zapcore.Level
}

// set replaces all levels, or none of them.
func (l *levels) set(node string, modules map[string]string) error {
	t := &levelTable{}
	var err error
	if t.node, err = parseLevel(node); err != nil {
		return err
	}
	t.least = t.node
	for module, name := range modules {
		level, err := parseLevel(name)
		if err != nil {
			return fmt.Errorf("%s: %w", module, err)
		}
		t.modules = append(t.modules, moduleLevel{module, level})
		t.least = min(t.least, level)
	}
	slices.SortFunc(t.modules, func(a, b moduleLevel) int { return len(b.module) - len(a.module) })
	l.now.Store(t)
	return nil
}

func parseLevel(name string) (zapcore.Level, error) {
	if name == "" {
		name = "info"
	}
	level, err := zapcore.ParseLevel(name)
	if err != nil || level > zapcore.ErrorLevel {
		return 0, fmt.Errorf("log level %q is not known: want debug, info, warn or error", name)
	}
	return level, nil
}

// Enabled implements zapcore.LevelEnabler: whether anyone writes at that level.
func (l *levels) Enabled(level zapcore.Level) bool { return level >= l.now.Load().least }

// of reports whether that module writes at that level.
func (l *levels) of(module string, level zapcore.Level) bool {
	t := l.now.Load()
	for _, m := range t.modules {
		if rest, ok := strings.CutPrefix(module, m.module); ok && (rest == "" || rest[0] == '.') {
			return level >= m.level
		}
	}
	return level >= t.node
}

// Levels returns the level of the node and of the modules that have their own.
func (l *Log) Levels() (node string, modules map[string]string) {
	t := l.levels.now.Load()
	modules = make(map[string]string, len(t.modules))
	for _, m := range t.modules {
		modules[m.module] = m.level.String()
	}
	return t.node.String(), modules
}

// SetLevel changes the least severe level that is written, and leaves those of
// modules as they are.
func (l *Log) SetLevel(level string) error {
	_, modules := l.Levels()
	return l.levels.set(level, modules)
}

// SetModuleLevels changes the levels of modules, by name or first part of a name:
// "dataplane" is for all of "dataplane.turn" and the like. Who is not named has the
// node's level.
func (l *Log) SetModuleLevels(modules map[string]string) error {
	node, _ := l.Levels()
	return l.levels.set(node, maps.Clone(modules))
}
