"""Random values of google-adk: names, states, and whole events."""

from typing import Any

from google.adk.auth.auth_credential import AuthCredential, AuthCredentialTypes
from google.adk.auth.auth_tool import AuthConfig
from google.adk.events.event import Event, NodeInfo
from google.adk.events.event_actions import EventActions, EventCompaction
from google.adk.events.ui_widget import UiWidget
from google.adk.models.cache_metadata import CacheMetadata
from google.adk.tools.tool_confirmation import ToolConfirmation
from google.genai import types
from hypothesis import strategies as st

USERS = ("ada", "Zoë b/c%2F?d#")
NAMES = ("s", "é +&=%2F...\U0001f600")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_plain = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6).filter(str.strip)
# Keys of the state: few, so that they meet again, and a few that nobody thinks of. Ours refuses
# those with control characters, and those of `secret:`.
keys = (
    st.tuples(
        st.sampled_from(["", "", "app:", "user:", "temp:", "user:app:", "Temp:"]),
        st.sampled_from(["a", "a", "b", "c", "é.", "__session_metadata__"]) | _plain,
    )
    .map("".join)
    .filter(lambda key: not key.startswith("secret:"))
)
numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, json_values, max_size=3)
states = st.dictionaries(keys, json_values, max_size=4)
words = st.sampled_from(["x", "y z", "é\n\u2028", "0"])
_media_types = st.sampled_from(["application/octet-stream", "text/x; charset=utf-8", "x"])
flags = st.booleans()
# Seconds with microseconds, in any order, and some of them equal.
times = st.integers(0, 4 * 10**6).map(lambda n: 1_699_781_400 + n / 4) | st.sampled_from(
    [0.0, 1.5, 1699781400.000001, 1796065087.426273]
)


def some(kind: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of a model, of whose fields a few are there."""

    def few(names: set[str]) -> st.SearchStrategy[Any]:
        return made(kind, **{name: fields[name] for name in sorted(names)})

    return st.sets(st.sampled_from(sorted(fields)), max_size=5).flatmap(few)


def made(kind: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of a model with all of these fields."""
    return st.fixed_dictionaries(fields).map(lambda told: kind(**told))


_parts = st.one_of(
    some(types.Part, text=texts, thought=flags, thought_signature=st.binary(max_size=5)),
    made(
        types.Part,
        inline_data=made(
            types.Blob,
            data=st.binary(max_size=9),
            mime_type=st.just("image/png"),
            display_name=st.none() | words,
        ),
    ),
    made(types.Part, file_data=made(types.FileData, file_uri=words, mime_type=words)),
    made(
        types.Part,
        function_call=some(types.FunctionCall, id=words, name=words, args=objects),
    ),
    made(
        types.Part,
        function_response=some(
            types.FunctionResponse,
            id=words,
            name=words,
            response=objects,
            will_continue=flags,
            scheduling=st.sampled_from(list(types.FunctionResponseScheduling)),
        ),
    ),
    made(
        types.Part,
        executable_code=made(
            types.ExecutableCode, code=words, language=st.just(types.Language.PYTHON)
        ),
    ),
    made(
        types.Part,
        code_execution_result=made(
            types.CodeExecutionResult, output=words, outcome=st.just(types.Outcome.OUTCOME_OK)
        ),
    ),
    some(types.Part, text=words, part_metadata=objects),
)
artifacts = st.one_of(
    some(types.Part, text=texts, part_metadata=objects).filter(lambda part: part.text is not None),
    made(
        types.Part,
        inline_data=made(
            types.Blob,
            data=st.binary(max_size=3),
            mime_type=_media_types,
            display_name=st.none() | words,
        ),
    ),
    made(types.Part, file_data=made(types.FileData, file_uri=words, mime_type=_media_types)),
)
contents = some(
    types.Content, role=st.sampled_from(["user", "model"]), parts=st.lists(_parts, max_size=3)
)
_credential = AuthConfig(
    auth_scheme={"type": "apiKey", "name": "X-Key", "in": "header"},
    raw_auth_credential=AuthCredential(auth_type=AuthCredentialTypes.API_KEY),
)
actions = some(
    EventActions,
    state_delta=states,
    artifact_delta=st.dictionaries(texts, st.integers(0, 9), max_size=2),
    skip_summarization=flags,
    transfer_to_agent=words,
    transfer_reason=words,
    escalate=flags,
    end_of_agent=flags,
    agent_state=objects,
    rewind_before_invocation_id=words,
    route=flags | words | st.integers(0, 9) | st.lists(words, max_size=2),
    set_model_response=json_values,
    requested_tool_confirmations=st.dictionaries(
        words,
        made(ToolConfirmation, hint=words, confirmed=flags, payload=json_values),
        max_size=2,
    ),
    requested_auth_configs=st.dictionaries(words, st.just(_credential), max_size=1),
    compaction=made(
        EventCompaction, start_timestamp=times, end_timestamp=times, compacted_content=contents
    ),
    render_ui_widgets=st.lists(
        made(UiWidget, id=words, provider=st.just("mcp"), payload=objects), max_size=2
    ),
)
_fields: dict[str, st.SearchStrategy[Any]] = {
    "content": contents,
    "actions": actions,
    "invocation_id": words,
    "branch": words,
    "isolation_scope": words,
    "partial": st.sampled_from([False, False, False, True]),
    "turn_complete": flags,
    "interrupted": flags,
    "error_code": words,
    "error_message": texts,
    "finish_reason": st.sampled_from(list(types.FinishReason)),
    "model_version": words,
    "avg_logprobs": st.floats(-9, 0),
    "logprobs_result": made(
        types.LogprobsResult,
        chosen_candidates=st.lists(
            made(types.LogprobsResultCandidate, token=words, token_id=st.integers(0, 9)),
            max_size=2,
        ),
    ),
    "custom_metadata": objects.filter(
        lambda told: not any(key.startswith("__adk_internal_") for key in told)
    ),
    "long_running_tool_ids": st.sets(words, max_size=3),
    "output": json_values,
    "node_info": some(NodeInfo, path=words, output_for=st.lists(words), message_as_output=flags),
    "usage_metadata": some(
        types.GenerateContentResponseUsageMetadata,
        prompt_token_count=st.integers(0, 2**31 - 1),
        cached_content_token_count=st.integers(0, 9),
        prompt_tokens_details=st.just(
            [types.ModalityTokenCount(modality=types.MediaModality.TEXT, token_count=3)]
        ),
    ),
    "grounding_metadata": some(
        types.GroundingMetadata,
        web_search_queries=st.lists(texts, max_size=2),
        search_entry_point=made(
            types.SearchEntryPoint, rendered_content=words, sdk_blob=st.binary(max_size=3)
        ),
        grounding_chunks=st.just(
            [types.GroundingChunk(web=types.GroundingChunkWeb(uri="u", title="t"))]
        ),
    ),
    "citation_metadata": made(
        types.CitationMetadata,
        citations=st.lists(made(types.Citation, uri=words, start_index=st.integers(0, 9))),
    ),
    "input_transcription": made(types.Transcription, text=texts, finished=flags),
    "output_transcription": made(types.Transcription, text=texts, finished=flags),
    "interaction_id": words,
    "environment_id": words,
    "turn_complete_reason": st.sampled_from(list(types.TurnCompleteReason)),
    "interaction_status": st.sampled_from(list(types.InteractionStatus)),
    "voice_activity": made(
        types.VoiceActivity,
        voice_activity_type=st.sampled_from(list(types.VoiceActivityType)),
    ),
    "cache_metadata": made(
        CacheMetadata,
        cache_name=words,
        expire_time=times,
        fingerprint=words,
        invocations_used=st.integers(0, 9),
        contents_count=st.integers(0, 9),
        created_at=times,
    ),
    "live_session_id": words,
    "live_session_resumption_update": made(
        types.LiveServerSessionResumptionUpdate, new_handle=words, resumable=flags
    ),
    "go_away": made(types.LiveServerGoAway, time_left=st.just("3s")),
}


def _event(few: dict[str, Any], timestamp: float, author: str) -> Event:
    return Event(timestamp=timestamp, author=author, **few)


events = st.builds(
    _event, some(dict, **_fields), times, st.sampled_from(["user", "helper", "", "é"])
)
