package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// ringing is how long a callee rings.
const ringing = 200 * time.Millisecond

// call calls, talks and hangs up.
func (p *phone) call(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.Talk+30*time.Second)
	defer cancel()
	media, err := newMedia(p.Local.Addr())
	if err != nil {
		return err
	}
	defer media.close()
	user, host, found := strings.Cut(p.Call, "@")
	if !found {
		host = p.Domain
	}
	to := sip.Uri{Scheme: "sip", User: user, Host: host}
	req := sip.NewRequest(sip.INVITE, to)
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	req.SetBody(media.describe())
	p.send(req)
	dialog, err := p.calls.WriteInvite(ctx, req)
	if err != nil {
		return fmt.Errorf("call %s: %w", p.Call, err)
	}
	defer dialog.Close() //nolint:errcheck // the process ends
	if err := dialog.WaitAnswer(ctx, sipgo.AnswerOptions{Username: p.Name, Password: p.Password}); err != nil {
		return fmt.Errorf("call %s: %w", p.Call, err)
	}
	if err := dialog.Ack(ctx); err != nil {
		return fmt.Errorf("acknowledge the answer: %w", err)
	}
	if err := media.connect(dialog.InviteResponse.Body()); err != nil {
		return err
	}
	r := media.talk(ctx, p.Talk)
	if err := dialog.Bye(ctx); err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	p.tell(r)
	return nil
}

// answer answers a call, talks, and waits for the caller to hang up.
func (p *phone) answer(ctx context.Context, req *sip.Request, tx sip.ServerTransaction) {
	r, err := p.answered(ctx, req, tx)
	if err != nil {
		r = Report{Step: "failed", Error: err.Error()}
	}
	select {
	case p.ended <- r:
	default: // it answers one call
	}
}

func (p *phone) answered(ctx context.Context, req *sip.Request, tx sip.ServerTransaction) (r Report, err error) {
	dialog, err := p.answers.ReadInvite(req, tx)
	if err != nil {
		return r, fmt.Errorf("read the INVITE: %w", err)
	}
	defer dialog.Close() //nolint:errcheck // the process ends
	media, err := newMedia(p.Local.Addr())
	if err != nil {
		return r, err
	}
	defer media.close()
	if err := media.connect(req.Body()); err != nil {
		return r, errors.Join(err, dialog.Respond(sip.StatusNotAcceptableHere, "No audio", nil))
	}
	if err := dialog.Respond(sip.StatusRinging, "Ringing", nil); err != nil {
		return r, err
	}
	select {
	case <-time.After(ringing):
	case <-dialog.Context().Done():
		return r, errors.New("cancelled")
	}
	if err := dialog.RespondSDP(media.describe()); err != nil {
		return r, fmt.Errorf("answer: %w", err)
	}
	r = media.talk(ctx, p.Talk)
	select {
	case <-dialog.Context().Done():
		return r, nil
	case <-ctx.Done():
		return r, context.Cause(ctx)
	case <-time.After(20 * time.Second):
		return r, errors.New("the caller never hung up")
	}
}

// bye ends whichever side's dialog it belongs to.
func (p *phone) bye(req *sip.Request, tx sip.ServerTransaction) {
	if p.answers.ReadBye(req, tx) == nil || p.calls.ReadBye(req, tx) == nil {
		return
	}
	_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusCallTransactionDoesNotExists, "No such call", nil))
}
