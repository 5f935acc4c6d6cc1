package moderation

import "testing"

func TestLinksAreFoundAndCounted(t *testing.T) {
	none := Links{Action: Block}
	one := Links{Action: Hold, Most: 1, Hosts: []string{"example.com"}}
	for _, c := range []struct {
		rules   Links
		message string
		want    Action
	}{
		{Links{}, "http://spam.example", Allow},
		{none, "hello. World", Allow},
		{none, "v1.2 is out... really", Allow},
		{none, "see http://spam.example/x", Block},
		{none, "see spam.com", Block},
		{none, "see SPAM．com now", Block},
		{none, "去看spam。com吧", Block},
		{none, "spam[.]com", Block},
		{none, "http://127.0.0.1:8080/", Block},
		{none, "mail me: a@example.com", Allow},
		{none, "mailto:a@example.com?subject=x", Allow},
		{none, "mailto tricks: http://a@spam.com", Block},
		{none, "spam.com/@x", Block},
		{none, "mailto:a@spam.com/x", Block},
		{none, "spam.com/?a@b", Block},
		{none, "spam.com/x#a@b.org", Block},
		{none, "//spam.com/@x", Block},
		{one, "example.com/@x and spam.com/@x", Allow},
		{one, "spam.org/@x and spam.com/@x", Hold},
		{one, "spam.com", Allow},
		{one, "spam.com and spam.org", Hold},
		{one, "spam.com, example.com, www.example.com/x and https://EXAMPLE.com.", Allow},
		{one, "spam.com and notexample.com", Hold},
		{one, "spam.com and https://example.com@spam.org/", Hold},
		{one, "spam.com and https://example.com.spam.org/", Hold},
	} {
		v := c.rules.Check(c.message)
		if v.Action != c.want || v.Message != c.message || (v.Reason == ReasonLink) != (v.Action != Allow) {
			t.Errorf("%q: %v %q, want %v", c.message, v.Action, v.Reason, c.want)
		}
	}
}

func TestRulesForLinksAreChecked(t *testing.T) {
	for _, c := range []struct {
		rules Links
		good  bool
	}{
		{Links{}, true},
		{Links{Action: Hold, Most: 2, Hosts: []string{"example.com"}}, true},
		{Links{Action: Mask}, false},
		{Links{Most: -1}, false},
		{Links{Hosts: []string{"https://example.com"}}, false},
		{Links{Hosts: []string{""}}, false},
	} {
		if err := c.rules.Validate(); (err == nil) != c.good {
			t.Errorf("%+v: %v", c.rules, err)
		}
	}
}

func FuzzLinks(f *testing.F) {
	f.Add("https://example.com@spam.org/。com http://[::1]:x")
	rules := Links{Action: Block, Hosts: []string{"example.com"}}
	f.Fuzz(func(t *testing.T, message string) {
		if v := rules.Check(message); v.Message != message {
			t.Errorf("%q became %q", message, v.Message)
		}
	})
}

func BenchmarkLinks(b *testing.B) {
	rules := Links{Action: Block}
	for name, message := range map[string]string{"none": "what a goal! 弹幕", "dots": "well... what a goal. And v1.2"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rules.Check(message)
			}
		})
	}
}
