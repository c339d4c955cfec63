package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/config"
)

func TestASubscribeTemplateSaysWhatItShows(t *testing.T) {
	for name, row := range map[string]struct {
		setting, id string
		fields      map[string]string
		mistake     bool
	}{
		"none":               {},
		"an id and a field":  {setting: " T1 , thing1=description", id: "T1", fields: map[string]string{"thing1": "description"}},
		"fields and no id":   {setting: ",thing1=description", mistake: true},
		"a field of nothing": {setting: "T1,thing1=", mistake: true},
		"a field alone":      {setting: "T1,thing1", mistake: true},
		"an id alone": {setting: "T1", id: "T1", fields: map[string]string{
			"character_string1": "out_trade_no", "thing2": "description", "amount3": "amount",
			"thing4": "carrier", "character_string5": "tracking_no",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			mistakes := &config.Mistakes{}
			id, fields := config.MiniProgram{Template: row.setting}.SubscribeTemplate(mistakes)
			if (mistakes.Err() != nil) != row.mistake {
				t.Fatal(mistakes.Err())
			}
			if diff := cmp.Diff(row.fields, fields); diff != "" || id != row.id {
				t.Errorf("id %q, fields (-want +got):\n%s", id, diff)
			}
		})
	}
}

func TestAMiniProgramIsCheckedOnlyIfThereIsOne(t *testing.T) {
	wrong := config.MiniProgram{
		AppID: "wx9", Template: "T1,thing1", Upload: "maybe", Consignor: "18912341234", BaseURL: "api.weixin.qq.com",
	}
	mistakes := &config.Mistakes{}
	wrong.Check(mistakes, []string{"wx1"})
	if err := mistakes.Err(); err != nil {
		t.Errorf("without a secret: %v", err)
	}
	wrong.Secret = "s"
	wrong.Check(mistakes, []string{"wx1"})
	said := mistakes.Err()
	if said == nil || strings.Contains(said.Error(), wrong.Consignor) {
		t.Fatal(said)
	}
	for _, name := range []string{
		"WECHAT_MINI_APP_ID", "WECHAT_SUBSCRIBE_TEMPLATE", "WECHAT_UPLOAD_SHIPPING", "WECHAT_CONSIGNOR_CONTACT", "WECHAT_API_BASE_URL",
	} {
		if !strings.Contains(said.Error(), name+": ") {
			t.Errorf("%s is not reported", name)
		}
	}
}
