"""Four projects that between them use all that the settings page has, and what a dialer may say of a call."""

import json

NUMBERS = (
    *("+358912345678", "+358331234567", "+358401112233", "+46812345678", "+12125550101", "+17165550102"),
    *("+15125550103", "+390612345678", "+33123456789", "+442079460123", "+493012345678"),
)
RETIRED = "+358912345699"
PHONES = ("+358401234567", "+358931234567", "+12125550190", "+15185550191", "+390298765432", "+33198765432", "12345")
PROJECTS = ("first", "second", "third", "fourth")
AGENTS = ("anna", "bert", "carl", None)
OUTCOMES = ("busy", "voicemail", "callback", "deal")

SETTINGS = "\n".join(
    (
        f"numbers: {json.dumps([{'number': number} for number in NUMBERS] + [{'number': RETIRED, 'active': False}])}",
        "projects:",
        f"""  - {{project_id: first, numbers: {json.dumps([*NUMBERS[:5], RETIRED])}, selection_logic: different_number,
       keep_previous_number: true, outcomes: {{busy: "{NUMBERS[1]}", callback: "{RETIRED}"}}}}""",
        f"""  - {{project_id: second, numbers: {json.dumps(NUMBERS)}, number_for_first_call: regionally_random,
       selection_logic: regionally_random}}""",
        f"""  - {{project_id: third, numbers: {json.dumps(NUMBERS[3:8])}, number_for_first_call: "{NUMBERS[4]}",
       agent_numbers: use_agent_number}}""",
        f"""  - {{project_id: fourth, numbers: ["{RETIRED}"], when_no_number: reject}}""",
        f"""agents: [{{agent_id: anna, number: "{NUMBERS[2]}"}}, {{agent_id: bert}}]""",
        f"""outcomes: [{{outcome: voicemail, next_number: "{NUMBERS[4]}"}}]""",
    )
)
