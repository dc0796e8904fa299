package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/config"
)

// Param is a parameter of a command.
type Param struct {
	Name     string
	Kind     config.Kind
	Required bool
	Text     string
}

// Command is something that xCommand does.
type Command struct {
	Name   string
	Text   string
	Params []Param
	// Needs says what a caller must be allowed to do; the zero value is the careful one.
	Needs Right
	// Run gets the values by the names of the parameters. What it returns is shown.
	Run func(ctx context.Context, args map[string]string, caller Caller) ([]Element, error)
}

// AddCommand adds a command; it replaces one of the same name.
func (s *Shell) AddCommand(c Command) { s.commands[strings.ToLower(c.Name)] = &c }

// act runs or explains a command.
func (s *Shell) act(ctx context.Context, words []word, help string, caller Caller) (Answer, error) {
	if len(words) == 0 {
		return Answer{Text: s.commandHelp(help == "??")}, nil
	}
	c := s.commands[strings.ToLower(words[0].text)]
	if c == nil {
		return Answer{}, fmt.Errorf("%w: xCommand: no command %q: %s", ErrUsage, words[0].text, nearby(words[0].text, s.commandNames()))
	}
	if help != "" {
		var b strings.Builder
		c.write(&b, true)
		return Answer{Text: b.String()}, nil
	}
	list, err := pairs(words[1:])
	if err != nil {
		return Answer{}, fmt.Errorf("%w: xCommand %s: %w", ErrUsage, c.Name, err)
	}
	args, err := c.arguments(list)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: xCommand %s: %w", ErrUsage, c.Name, err)
	}
	elements, err := c.Run(ctx, args, caller)
	if err != nil {
		return Answer{}, err
	}
	var b strings.Builder
	b.WriteString("*r ")
	Element{Name: c.Name + "Result (status=OK)", Elements: elements}.write(&b, 0)
	b.WriteString("*r/end\nOK\n")
	return Answer{Text: b.String(), Elements: elements}, nil
}

// arguments checks the values by the declarations of the parameters.
func (c *Command) arguments(list []pair) (map[string]string, error) {
	args := map[string]string{}
	for _, p := range list {
		i := slices.IndexFunc(c.Params, func(q Param) bool { return strings.EqualFold(q.Name, p.name) })
		if i < 0 {
			if len(c.Params) == 0 {
				return nil, fmt.Errorf("takes no parameters")
			}
			return nil, fmt.Errorf("no parameter %q: %s", p.name, nearby(p.name, c.paramNames()))
		}
		param := c.Params[i]
		if _, twice := args[param.Name]; twice {
			return nil, fmt.Errorf("%s is there twice", param.Name)
		}
		value := config.Item{Kind: param.Kind}.TextOf(p.value)
		if err := param.Kind.Accept(value); err != nil {
			return nil, fmt.Errorf("%s cannot be %q: want %s", param.Name, p.value, param.Kind.ValueSpace())
		}
		args[param.Name] = value
	}
	for _, p := range c.Params {
		if _, ok := args[p.Name]; !ok && p.Required {
			return nil, fmt.Errorf("%s is missing: write %s: %s", p.Name, p.Name, p.Kind.ValueSpace())
		}
	}
	return args, nil
}

func (c *Command) paramNames() []string {
	names := make([]string, len(c.Params))
	for i, p := range c.Params {
		names[i] = p.Name
	}
	return names
}

// write explains a command.
func (c *Command) write(b *strings.Builder, params bool) {
	fmt.Fprintf(b, "xCommand %s\n    %s\n", c.Name, c.Text)
	if !params {
		return
	}
	for _, p := range c.Params {
		mark := ""
		if p.Required {
			mark = "(r)"
		}
		fmt.Fprintf(b, "    %s%s: %s\n        %s\n", p.Name, mark, p.Kind.ValueSpace(), p.Text)
	}
}

func (s *Shell) commandHelp(all bool) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s.commands)) {
		if all {
			s.commands[key].write(&b, true)
			continue
		}
		b.WriteString(s.commands[key].Name + "\n")
	}
	return b.String()
}

func (s *Shell) commandNames() []string {
	var names []string
	for _, c := range s.commands {
		names = append(names, c.Name)
	}
	return names
}
