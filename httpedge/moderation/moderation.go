package moderation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says what texts are checked for. With none of it set, everything is
// allowed.
type Config struct {
	// WordsFile is a list of words (ParseWords), read again when it changes;
	// empty: none.
	WordsFile string
	Links     Links
	// Webhook is asked about every text that is not blocked already, if its URL
	// is set.
	Webhook Webhook

	Registry *prometheus.Registry // required
	Log      *slog.Logger         // required
}

// Validate says what of a config can't work. The list of words is read by New.
func (c *Config) Validate() error {
	if c.Registry == nil || c.Log == nil {
		return errors.New("moderation: a required part of the config is missing")
	}
	if err := c.Links.Validate(); err != nil {
		return err
	}
	return c.Webhook.Validate()
}

// Moderator checks texts. It may be used from any goroutine.
type Moderator struct {
	config  Config
	words   atomic.Pointer[Words]
	read    fileState // of the list, when it was read last
	webhook *webhook  // nil: none

	verdicts *prometheus.CounterVec
}

// New makes a moderator, and reads its list of words: one that can't be read
// at the start is an error, later on the last good one goes on.
func New(config Config) (*Moderator, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	m := &Moderator{config: config}
	m.words.Store(&Words{})
	if config.WordsFile != "" {
		if err := m.readWords(); err != nil {
			return nil, err
		}
	}
	m.verdicts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "barrage_moderation_verdicts_total", Help: "Texts that were masked, held or blocked, by what decided it.",
	}, []string{"action", "reason"})
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "barrage_moderation_words", Help: "Words in the list.",
	}, func() float64 { return float64(m.words.Load().Len()) })
	if err := errors.Join(config.Registry.Register(m.verdicts), config.Registry.Register(size)); err != nil {
		return nil, fmt.Errorf("moderation: %w", err)
	}
	if config.Webhook.URL != "" {
		var err error
		if m.webhook, err = newWebhook(config.Webhook, config.Registry); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Check gives the verdict on a text: the strictest of all checks.
func (m *Moderator) Check(ctx context.Context, text Text) Verdict {
	v := m.checkHere(text.Message)
	if m.webhook != nil && v.Action != Block {
		text.Message = v.Message
		v = v.stricter(m.webhook.ask(ctx, text))
	}
	if v.Action != Allow {
		m.verdicts.WithLabelValues(v.Action.String(), v.Reason).Inc()
	}
	return v
}

// CheckName gives the verdict on a name by which somebody wants to be called:
// that of the list and of the rules for links, as for a message.
func (m *Moderator) CheckName(name string) Verdict {
	v := m.checkHere(name)
	if v.Action != Allow {
		m.verdicts.WithLabelValues(v.Action.String(), v.Reason).Inc()
	}
	return v
}

// checkHere gives the verdict of what needs nobody else.
func (m *Moderator) checkHere(text string) Verdict {
	v := m.words.Load().Check(text)
	return v.stricter(m.config.Links.Check(v.Message))
}

// watchEvery is how often the list of words is looked at.
const watchEvery = 2 * time.Second

// Run reads the list of words again when it changes, until ctx ends.
func (m *Moderator) Run(ctx context.Context) {
	if m.config.WordsFile == "" {
		return
	}
	ticks := time.NewTicker(watchEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			m.refresh()
		}
	}
}

// refresh reads the list if it is not the one that was read last.
func (m *Moderator) refresh() {
	if state, err := stateOf(m.config.WordsFile); err == nil && state == m.read {
		return
	}
	if err := m.readWords(); err != nil {
		m.config.Log.Error("the list of words can't be read: the last good one goes on", "error", err)
		return
	}
	m.config.Log.Info("the list of words was read again", "words", m.words.Load().Len())
}

// fileState tells two states of a file apart.
type fileState struct {
	modified time.Time
	size     int64
}

func stateOf(path string) (fileState, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}, err
	}
	return fileState{info.ModTime(), info.Size()}, nil
}

// readWords reads the list. It runs on one goroutine at a time. A list that is
// no good is not read again until it changes.
func (m *Moderator) readWords() error {
	file, err := os.Open(m.config.WordsFile)
	if err != nil {
		m.read = fileState{}
		return fmt.Errorf("moderation: opening the list of words: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	if m.read, err = stateOf(m.config.WordsFile); err != nil {
		return fmt.Errorf("moderation: reading the list of words: %w", err)
	}
	words, err := ParseWords(file)
	if err != nil {
		return fmt.Errorf("moderation: the list of words %s: %w", m.config.WordsFile, err)
	}
	m.words.Store(words)
	return nil
}
