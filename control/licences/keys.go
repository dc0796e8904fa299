package licences

import (
	"errors"
	"fmt"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/licensing"
)

// Alarms about option keys, by their numbers in the catalogue.
const (
	alarmNoKey    = 39001
	alarmNotCount = 39002
	alarmEndsSoon = 39003
)

// warnBefore is how long before its end a key is told to end, as certificates are.
const warnBefore = 30 * 24 * time.Hour

// raised is an alarm of one key of the configuration.
type raised struct {
	number int
	key    string
}

// Evaluation is what a node says that has no key for licences.
const Evaluation = "evaluation: no option key gives licences, so the platform's limits count"

// tellKeys raises and lowers the alarms about option keys, and tells the log when one
// ends.
func (k *Keeper) tellKeys(r reading, now time.Time) {
	if r.installed.Keyed {
		k.deps.Alarms.Lower(alarmNoKey, "")
	} else {
		k.deps.Alarms.Raise(alarmNoKey, "", Evaluation)
	}
	stand := map[raised]bool{}
	for i, o := range r.options {
		name := fmt.Sprintf("option key %d", r.config.OptionKeys[i].Index)
		switch {
		case o.Err != nil:
			k.stand(stand, raised{alarmNotCount, name}, o.Err.Error())
		case !o.Key.Until.IsZero() && now.Add(warnBefore).After(o.Key.Until):
			k.stand(stand, raised{alarmEndsSoon, name}, fmt.Sprintf("%s ends on %s", What(o.Key), o.Key.LastDay()))
		}
		k.tellEnd(o)
	}
	for a := range k.alarms {
		if !stand[a] {
			k.deps.Alarms.Lower(a.number, a.key)
		}
	}
	k.alarms = stand
}

func (k *Keeper) stand(stand map[raised]bool, a raised, detail string) {
	stand[a] = true
	k.deps.Alarms.Raise(a.number, a.key, detail)
}

// tellEnd tells the log once that a key has ended.
func (k *Keeper) tellEnd(o licensing.Option) {
	if ended := errors.Is(o.Err, licensing.ErrExpired); !ended || k.told[o.Key.Serial] {
		return
	}
	k.told[o.Key.Serial] = true
	k.deps.Log.Warn("Option Key Expired", "Detail", What(o.Key), "Serial", o.Key.Serial, "Until", o.Key.LastDay())
}

// Errors of an attempt to install a key, beside those of licensing.
var (
	ErrNoIssuer = errors.New("licensing.issuers is empty, so no option key can be checked: add the issuer's public key first")
	ErrThere    = errors.New("the option key is installed already")
)

// Check says whether a text may be installed as an option key on a node of a
// configuration: it has to count at once.
func Check(c *config.Node, node, text string, now time.Time) (licensing.Key, error) {
	if len(c.Licensing.Issuers) == 0 {
		return licensing.Key{}, ErrNoIssuer
	}
	for _, k := range c.OptionKeys {
		if k.Name == text {
			return licensing.Key{}, ErrThere
		}
	}
	if len(c.OptionKeys) >= licensing.MaxKeys {
		return licensing.Key{}, licensing.ErrTooMany
	}
	o := licensing.Read([]string{text}, issuers(c), node, now)[0]
	return o.Key, o.Err
}

// What says what a key gives: "100 rms", or the name of a feature.
func What(key licensing.Key) string {
	if key.Feature.Counted() {
		return fmt.Sprintf("%d %s", key.Count, key.Feature)
	}
	return string(key.Feature)
}
